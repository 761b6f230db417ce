/**
 * A store that hands what is recorded to the program: each connection's frames to the resource that its group has for it. A write only
 * copies the frames, each into the backlog of its resource: whoever takes none holds up nobody else. What is more than its share
 * presses on the connections that it comes from, by the overload policy; what finds no room at all is lost, and counted.
 */

import { joined } from '../../../core/bytes.js'
import type { Direction } from '../../../core/direction.js'
import type { OpenAnnotation } from '../../../core/record/annotation.js'
import type { PacketBlock } from '../../../core/record/packet-blocks.js'
import { Backlog, type Room } from '../../../core/resource/backlog.js'
import { type FrameFormat, gogetwayFrame, packetFrame } from '../../../core/resource/framing.js'
import { Talks, type TalkVisitor } from '../../../core/resource/talks.js'
import { TidegateError } from '../../../errors.js'
import type { ConnectResource, GotResource } from '../../../ports/resource-group.js'
import { STORE_FIGURE, type Store } from '../../../ports/store.js'
import type { PressOrder } from '../seat.js'
import { within } from '../within.js'
import type { Frame } from './frame.js'
import { type Framed, GroupedConnection, type Handover, OVERHEAD_BYTES } from './grouped-connection.js'
import { Outlet } from './outlet.js'
import type { ResourceGroups } from './resource-groups.js'
import { decodeStamp } from './stamp.js'

export interface GroupStoreOptions {
  readonly where: string
  readonly groups: ResourceGroups
  readonly format: FrameFormat
  /** Of pcapng: what begins each stream of blocks, and which interface each listener is in it. Others are 0. */
  readonly sectionStart: Uint8Array
  readonly interfaces: ReadonlyMap<string, number>
  readonly recording: string
  /** See `STORE_FIGURE`. */
  readonly figures: Float64Array
  readonly room: Room
  readonly consequence: string
  /** What functions are given when it closes, ms. */
  readonly closeTimeoutMs: number
  /** Tells the plane that has this seat. */
  readonly press: (owner: number, order: PressOrder) => void
}

/** Of the frames that have been taken. */
export interface HandedOver {
  readonly frames: number
  readonly bytes: number
}

/** Of what connections said. */
export interface NotHandedOver {
  readonly waitingBytes: number
  readonly lostBytes: number
}

export class GroupStore implements Store, Handover, TalkVisitor<GroupedConnection | null> {
  readonly where: string
  readonly recording: string
  readonly consequence: string
  readonly #options: GroupStoreOptions
  readonly #talks = new Talks<GroupedConnection | null>(this)
  /** Those that are not over, or whose frames are not all taken. */
  readonly #connections = new Set<GroupedConnection>()
  readonly #outlets = new WeakMap<ConnectResource, Outlet>()
  /** Sinks that have had the section's start. */
  readonly #begun = new WeakSet<object>()
  #frames = 0
  #bytes = 0
  #waitingBytes = 0
  #lostBytes = 0
  #onDone: (() => void) | null = null

  constructor(options: GroupStoreOptions) {
    this.#options = options
    this.where = options.where
    this.recording = options.recording
    this.consequence = options.consequence
  }

  get handedOver(): HandedOver {
    return { frames: this.#frames, bytes: this.#bytes }
  }

  get notHandedOver(): NotHandedOver {
    return { waitingBytes: this.#waitingBytes, lostBytes: this.#lostBytes }
  }

  /** Connections that it knows of. */
  get connections(): number {
    return Math.max(this.#connections.size, this.#talks.size)
  }

  write(bytes: Uint8Array): void {
    this.#talks.push(bytes)
  }

  /** All connections are over. What has not been taken in the time that functions are given is let go, and lost. */
  async close(timeoutMs: number): Promise<void> {
    this.#talks.end(() => true)
    if (this.#connections.size === 0) return
    const done = new Promise<void>((resolve) => {
      this.#onDone = resolve
    })
    if (await within(done, Math.min(timeoutMs, this.#options.closeTimeoutMs))) return
    for (const connection of this.#connections) connection.abandon()
  }

  left(seat: number): void {
    this.#talks.end((connection) => connection?.stamp.owner === seat)
    this.#options.groups.seatLeft(seat)
  }

  opened(open: OpenAnnotation): GroupedConnection | null {
    const stamp = decodeStamp(open.listener)
    const used = stamp === null ? null : this.#options.groups.opened(stamp)
    if (stamp === null || used === null) {
      this.failed()
      return null
    }
    const connection = new GroupedConnection(this, used, stamp, open)
    this.#connections.add(connection)
    connection.start()
    return connection
  }

  packet(
    connection: GroupedConnection | null,
    { whole, timeNs }: PacketBlock,
    payload: Uint8Array,
    direction: Direction,
  ): void {
    const { format } = this.#options
    const { length } = format === 'pcapng' ? whole : payload
    if (length === 0) return
    const payloadBytes = payload.length
    const costBytes = length + OVERHEAD_BYTES
    if (connection === null || !connection.admits(costBytes)) return this.lost(payloadBytes)
    const context = connection.contexts[direction]
    const data =
      format === 'pcapng' ? this.#packet(whole, connection) : gogetwayFrame(payload, timeNs, context)
    connection.push({ data, payloadBytes, costBytes, context })
  }

  closed(connection: GroupedConnection | null): void {
    connection?.close()
  }

  outletOf(got: GotResource): Outlet {
    const resource = got?.resource
    if (typeof resource !== 'object' || resource === null)
      throw new TidegateError('value_invalid', 'getResource must return { resource, onClose }', {
        fault: 'hook',
      })
    const known = this.#outlets.get(resource) ?? new Outlet(resource, this.newBacklog())
    this.#outlets.set(resource, known)
    return known
  }

  newBacklog(): Backlog {
    return new Backlog(this.#options.room)
  }

  framed({ sink }: Outlet, { data }: Frame): Framed {
    const { format, sectionStart } = this.#options
    if (format === 'gogetway' || this.#begun.has(sink)) return { bytes: data, begins: null }
    // At once, not when it is taken: others that share the writer come after this one, and have begun too.
    this.#begun.add(sink)
    return { bytes: joined([sectionStart, data]), begins: sink }
  }

  taken({ bytes }: Framed): void {
    this.#frames++
    this.#bytes += bytes.length
  }

  refused({ begins }: Framed): void {
    if (begins !== null) this.#begun.delete(begins)
  }

  lost(payloadBytes: number): void {
    this.#lostBytes += payloadBytes
  }

  waits(payloadBytes: number): void {
    this.#waitingBytes += payloadBytes
  }

  failed(): void {
    const { figures } = this.#options
    const { functionFailures } = STORE_FIGURE
    figures[functionFailures] = (figures[functionFailures] ?? 0) + 1
  }

  press({ id, stamp }: GroupedConnection, isSlow: boolean): void {
    this.#options.press(stamp.owner, { press: id, isSlow })
  }

  done(connection: GroupedConnection): void {
    this.#connections.delete(connection)
    if (this.#connections.size === 0) this.#onDone?.()
  }

  ended(connection: GroupedConnection): void {
    this.#options.groups.ended(connection.used)
  }

  #packet(whole: Uint8Array, { stamp: { listener } }: GroupedConnection): Uint8Array {
    return packetFrame(whole, listener, this.#options.interfaces.get(listener) ?? 0)
  }
}
