/** What a recording is to a data plane: taps on connections, counters, an end. */

import type { Address } from '../../core/address.js'
import type { CloseReason } from '../../core/close-reason.js'
import type { Direction } from '../../core/direction.js'
import type { Capture } from '../../core/record/capture.js'
import type { Logger } from '../../ports/logger.js'
import type { StoreSpec } from './open-store.js'

/** A store that whoever asked for it has made ready; the writer thread opens it as `spec` says. */
export interface OpenedStore {
  readonly where: string
  readonly spec: StoreSpec
  /** Where it counts ({@link STORE_FIGURE}), if not only the writer thread does. */
  readonly figures?: Float64Array
  /** Called once nobody writes any more; it may take `timeoutMs`. Idempotent. */
  close(timeoutMs: number): Promise<void>
}

export interface RecordingOptions {
  readonly store: OpenedStore
  /** When the sink is slow: slow the traffic, leave bytes out (marked), or end the connection. Default `block`. */
  readonly overload?: 'block' | 'drop' | 'disconnect'
  /** When a write failed: go on (the loss is marked), or end the connections whose bytes were lost. Default `continue`. */
  readonly onFailure?: 'continue' | 'disconnect'
  /** Bytes that may wait for the sink, all connections together. Default 16 MiB, at least 1 MiB. */
  readonly maxBufferedBytes?: number
  /** How many planes share that, the main thread's among them; each has at least 1 MiB. Default 1. */
  readonly planes?: number
  /** One pcapng interface each. A connection of a listener that is not here goes to the first. */
  readonly listeners: readonly RecordedListener[]
  /** Who records, e.g. `tidegate 0.1.0`. */
  readonly application: string
  /** Default: silent. */
  readonly logger?: Logger
}

export interface RecordedListener {
  readonly name: string
  readonly description: string
}

export interface RecordedConnection {
  /** The gateway's own number, as in its log. */
  readonly id: number
  readonly listener: string
  readonly client: Address
  readonly server: Address
}

/** What the recording may do to the link it watches; an engine's `Link` fits. */
export interface Holdable {
  hold(): void
  release(): void
  destroy(reason: CloseReason, error?: Error): void
}

/** The recording's ear on one connection. */
export interface ConnectionTap {
  /** The bytes are copied before it returns. */
  data(chunk: Uint8Array, direction: Direction): void
  endOfStream(direction: Direction): void
  /** The connection is over, however it ended. The last call. */
  close(reason: CloseReason): void
}

export interface RecordingCounters {
  /** Opened so far. */
  readonly connections: number
  /** Bytes relayed by recorded connections: `seenBytes = storedBytes + lostBytes + cutBytes + bytes still waiting`. */
  readonly seenBytes: number
  /** Of those, what the sink has taken. */
  readonly storedBytes: number
  readonly lostBytes: number
  /** Left out because the config says so (`maxBytes`, or switched off meanwhile): no loss. */
  readonly cutBytes: number
  /** Bytes of the file that wait for the sink, packet headers included. */
  readonly bufferedBytes: number
  readonly writes: number
  readonly writeFailures: number
  /** How often all links were held because the sink was slow (`overload: block`). */
  readonly holds: number
  /** Closed connections whose `close` annotation could not be stored. */
  readonly unclosed: number
  /** Files begun so far, of the whole gateway; absent where the store is one file, or none. */
  readonly files?: number
  /** Only where a sink takes what is recorded, and then of the whole gateway. */
  readonly sink?: SinkCounters
}

export interface SinkCounters {
  /** On disk, in the spool: what the sink has not taken yet, and what of that is not removed yet. */
  readonly spooledBytes: number
  /** Taken by the sink, since the start. */
  readonly deliveredRecords: number
  /** Batches that it has refused, and failures to reach it. */
  readonly deliveryFailures: number
}

/** Of {@link Recording.close}, ms. */
export const DEFAULT_CLOSE_TIMEOUT_MS = 10_000

/** A plane's part in the gateway's recording. */
export interface Recording {
  /**
   * Starts recording a connection. `link` is asked for only when the recording has to slow or end it: a tap is made just
   * before its link. Null: there is none (any more). `capture`: what of it; default everything.
   */
  open(connection: RecordedConnection, link: () => Holdable | null, capture?: Capture): ConnectionTap
  /** Of this plane alone. */
  counters(): RecordingCounters
  /**
   * Hands over what is left and waits for it to be written. What the sink does not take within `timeoutMs` (default
   * 10 s) is counted lost. Idempotent.
   */
  close(timeoutMs?: number): Promise<RecordingCounters>
}
