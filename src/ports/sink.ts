/**
 * The sink port: a place for recordings that is not a file, e.g. a database or a message queue. It gets what connections
 * said as records, in batches.
 *
 * - order: the records of one connection come in the order they happened, over all batches
 * - at least once: after a failure, or a restart of the gateway, records may come again. Each has the same
 *   {@link RecordKey} then, so that a sink (or whoever reads it) can tell
 * - backpressure: one batch at a time; meanwhile what comes is kept on disk (the spool), up to its bound
 */

import type { CloseReason } from '../core/close-reason.js'
import type { Direction } from '../core/direction.js'
import type { LedgerEntry } from '../core/record/annotation.js'

/** Names one connection for ever. */
export interface ConnectionKey {
  /** UUID of one run of a gateway. */
  readonly recording: string
  /** The gateway's own number for the connection, as in its log. */
  readonly connection: number
}

/** Opens each connection; comes again (same key) where a sink might not have seen it. */
export interface OpenRecord extends ConnectionKey {
  readonly kind: 'open'
  readonly timeNs: bigint
  readonly listener: string
  /** In address notation. */
  readonly client: string
  readonly server: string
}

/**
 * Bytes `[at, at + bytes.length)` of one direction. (recording, connection, direction, at) is its stable frame id: the same
 * bytes always come under the same id, see `frameId`.
 */
export interface DataRecord extends ConnectionKey {
  readonly kind: 'data'
  readonly direction: Direction
  readonly at: number
  readonly timeNs: bigint
  /** The sink's to keep. */
  readonly bytes: Uint8Array
}

/** Bytes of the stream that were relayed and are not stored: `cut` on purpose, else lost. */
export interface GapRecord extends ConnectionKey {
  readonly kind: 'gap'
  readonly direction: Direction
  readonly at: number
  readonly length: number
  readonly timeNs: bigint
  readonly why: string
  readonly cut: boolean
}

/** One direction ended with FIN, at position `at`. */
export interface FinRecord extends ConnectionKey {
  readonly kind: 'fin'
  readonly direction: Direction
  readonly at: number
  readonly timeNs: bigint
}

/** The last record of a connection. */
export interface CloseRecord extends ConnectionKey {
  readonly kind: 'close'
  readonly timeNs: bigint
  readonly reason: CloseReason
  readonly upstream: LedgerEntry
  readonly downstream: LedgerEntry
}

export type SinkRecord = OpenRecord | DataRecord | GapRecord | FinRecord | CloseRecord

export interface Sink {
  /** Where, for people, without secrets: `postgres://db.internal/traffic`. */
  readonly where: string
  /**
   * Makes it ready: connects, creates what is missing. Called before the first batch, and again before the next one after any failure.
   * @throws TidegateError (rejects) saying what is wrong. `fault: 'usage'` (bad password, no such database, a newer schema): at the gateway's start this is the
   * user's error; anything else counts as "away" and is tried again.
   */
  open(): Promise<void>
  /**
   * Stores the whole batch. Resolves only when all of it is stored for good; what has not been acknowledged comes again. One call at a
   * time. `signal` aborts when nobody waits any more.
   */
  write(batch: readonly SinkRecord[], signal: AbortSignal): Promise<void>
  /** Idempotent. No call after it. */
  close(): Promise<void>
}

/** The stable id of a data record, as text: sorts within a direction by position. */
export const frameId = ({ recording, connection, direction, at }: DataRecord): string =>
  `${recording}/${connection}/${direction}/${String(at).padStart(16, '0')}`
