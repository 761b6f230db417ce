/**
 * Resource groups: where what connections say goes when the program itself takes it, connection by connection.
 *
 *     connection ─▶ group.getResource ─▶ resource: a write function, or a writer; a queue and a lock
 *
 * The names are gogetway's; docs/gogetway.md says what is different.
 */

import type { Address } from '../core/address.js'
import type { Lock } from '../core/resource/lock.js'
import type { WriteFunction } from '../core/resource/write-function.js'
import type { WriteQueue } from '../core/resource/write-queue.js'

/**
 * Where frames are written. A Node `Writable` fits: a frame counts as taken when its callback says so. So does any object with a
 * `write` that takes bytes and says by a promise when it is done.
 */
export interface ResourceWriter {
  write(framed: Uint8Array): unknown
  /** Called by groups that are closed: what is still buffered is to be written. */
  flush?(): unknown
}

/** A Node stream, as far as is needed of it. */
export interface ResourceStream {
  write(framed: Uint8Array, done: (error?: Error | null) => void): boolean
  on(event: 'error', listener: (error: Error) => void): unknown
  end(done?: () => void): unknown
  readonly writable: boolean
}

/** What one connection, or several that share it, are written with. */
export interface ConnectResource {
  /** Takes each frame. Wins over {@link writer}. One of the two has to be there. */
  readonly writeFunction?: WriteFunction | null
  readonly writer?: ResourceWriter | ResourceStream | null
  /** Puts the frames of all that share the resource in order. Default: one of its own. */
  readonly writeQueue?: WriteQueue
  /**
   * Gives out the frames' indices: queue and lock belong together, so bring both or neither. Default: one of its own.
   */
  readonly lock?: Lock
  /** What it is, for whoever made it, e.g. `file`. */
  readonly kind?: string
}

/** What a group is told beside the connection. */
export interface ResourceContext {
  readonly listener: string
  /** As in gogetway's frame: 1 for TCP. */
  readonly listenType: number
  /** UUID of this run of the gateway. */
  readonly recording: string
}

export interface ResourceConnection {
  /** The gateway's own number, as in its log. */
  readonly id: number
  readonly listener: string
  readonly client: Address
  readonly server: Address
}

export interface GotResource {
  readonly resource: ConnectResource
  /** Called once, when the connection is over and its last frame has been taken. */
  readonly onClose?: (resource: ConnectResource) => unknown
}

/** How what is recorded reaches resource groups. */
export interface ResourceOptions {
  /** What a write function or writer is given: gogetway's frames, or packets of a pcapng recording. Default `gogetway`. */
  readonly format?: 'gogetway' | 'pcapng'
  /** When functions are slower than the traffic: slow it, leave bytes out, or end connections. Default `block`. */
  readonly overload?: 'block' | 'drop' | 'disconnect'
  /**
   * Bytes that may wait for them, all connections together, what that takes in queues included. Default 32 MiB, at least 8 MiB for each
   * thread. One resource never has more than a part of it.
   */
  readonly maxBufferedBytes?: number
  /**
   * How long closing the gateway waits for functions to take what waits, and then as long again for hooks and groups to end, ms.
   * Default 10,000. What is not taken by then is lost, counted and logged.
   */
  readonly closeTimeoutMs?: number
}

export interface ResourceGroup {
  /**
   * The resource of a connection that opens. While a promise is pending its frames wait. If it throws or rejects, what this
   * connection says is not handed to anybody, which is counted (`functionFailures`) and logged; its traffic goes on.
   */
  getResource(context: ResourceContext, connection: ResourceConnection): GotResource | Promise<GotResource>
  /** Makes a resource for a client's address. The default group calls it; the gateway itself does not. */
  newResource?(context: ResourceContext, from: string): ConnectResource | Promise<ConnectResource>
  /**
   * Called once, when the group is not used any more (another has taken its place and its last connection is over, or the gateway
   * closes): what is still buffered is to be written before it resolves.
   */
  close?(): unknown
}
