/**
 * What a sink that is not a file is given: what connections said, as records that each stand for themselves.
 *
 * - connection key: (recording, connection) names one connection for ever
 * - frame id: (connection key, direction, at) names the same bytes for ever; see {@link frameId}
 */

import type { CloseReason } from '../../close-reason.js'
import type { Direction } from '../../direction.js'
import type { LedgerEntry } from '../annotation.js'

/** Names one connection for ever. */
export interface ConnectionKey {
  /** UUID of one run of a gateway. */
  readonly recording: string
  /** The gateway's own number for the connection, as in its log. */
  readonly connection: number
}

/**
 * Opens each connection. Comes again, under the same key and perhaps with a later time, where a sink might not have seen it:
 * the first one counts.
 */
export interface OpenRecord extends ConnectionKey {
  readonly kind: 'open'
  /** Nanoseconds since 1970, as in all records. */
  readonly timeNs: bigint
  readonly listener: string
  /** In address notation. */
  readonly client: string
  readonly server: string
}

/**
 * Bytes `[at, at + bytes.length)` of one direction, never none. (recording, connection, direction, at) is its stable frame id:
 * whenever these bytes come, they come under that id, and no other bytes do.
 */
export interface DataRecord extends ConnectionKey {
  readonly kind: 'data'
  readonly direction: Direction
  readonly at: number
  readonly timeNs: bigint
  /** The sink's to keep, but not to change: after a failure the same record comes again. */
  readonly bytes: Uint8Array
}

/** Bytes of the stream that were relayed and are not stored: `cut` on purpose, else lost. */
export interface GapRecord extends ConnectionKey {
  readonly kind: 'gap'
  readonly direction: Direction
  readonly at: number
  readonly length: number
  readonly timeNs: bigint
  /** `overload: dropped`, …; empty where that is only in the close's ledger. */
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

/** The last record of a connection. There is none for a connection that was open when its gateway was killed. */
export interface CloseRecord extends ConnectionKey {
  readonly kind: 'close'
  readonly timeNs: bigint
  readonly reason: CloseReason
  readonly upstream: LedgerEntry
  readonly downstream: LedgerEntry
}

export type SinkRecord = OpenRecord | DataRecord | GapRecord | FinRecord | CloseRecord

/** Positions are below 2^53, so all have room. */
const POSITION_DIGITS = 16

/** The stable id of a data record, as text: sorts within a direction by position. */
export const frameId = ({
  recording,
  connection,
  direction,
  at,
}: Pick<DataRecord, 'recording' | 'connection' | 'direction' | 'at'>): string =>
  `${recording}/${connection}/${direction}/${String(at).padStart(POSITION_DIGITS, '0')}`
