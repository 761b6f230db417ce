/**
 * A seat: what one data plane needs to take part in a recording, as plain data. It is made on the main thread
 * (`RecordingSite.seat`), sent to the thread the plane runs on, and used there once (`startSeat`).
 *
 *     plane ── slabs ──▶ writer thread        SlabMessage; each is answered with a SlabAnswer, in order; a PressOrder may come in between
 *     plane ── reports ─▶ main thread         SeatReport
 *     plane ── cells ──▶ whoever looks        shared memory: its figures, and whether it has ended well
 */

import type { MessagePort } from 'node:worker_threads'
import { FIGURES } from '../../core/record/counters.js'
import type { FailurePolicy, OverloadPolicy, RecorderReport } from '../../core/record/recorder.js'

export interface RecordingSeat {
  /** 0: the main thread's. */
  readonly plane: number
  /** Interface index of each listener. */
  readonly interfaces: ReadonlyMap<string, number>
  readonly overload: OverloadPolicy
  readonly onFailure: FailurePolicy
  /** This plane's share of what may wait for the sink. */
  readonly maxBufferedBytes: number
  readonly sequenceSalt: number
  /** The ends in use in the recording, by all planes, and whose this plane's are. */
  readonly ends: SharedArrayBuffer
  readonly owner: number
  readonly cells: Float64Array
  readonly writerState: Int32Array
  readonly slabs: MessagePort
  readonly reports: MessagePort
}

/** Have to be transferred with the seat. */
export const seatPorts = ({ slabs, reports }: RecordingSeat): readonly MessagePort[] => [slabs, reports]

/** A seat's cells: the recorder's figures, and after them these. */
export const SEAT_CELL = {
  /** 1: every byte is accounted for. Whatever ends otherwise was lost with its thread. */
  ended: FIGURES,
  /** What connections said of which the writer knows that it is stored; the recorder's own figure follows. */
  writtenBytes: FIGURES + 1,
} as const

export const SEAT_CELLS = FIGURES + 2

/** What the writer tells everybody without being asked. */
export const WRITER_CELL = {
  /** 1 while the last write, whoever's it was, has failed. */
  failing: 0,
} as const

/**
 * A slab for the sink: the first `length` bytes of `memory`, which is transferred, and back with the answer. Not shared: V8
 * copies into shared memory byte by byte wherever source and target are not both aligned to 8 (relaxed_memmove), at
 * fifteen times the price.
 */
export interface SlabMessage {
  readonly memory: ArrayBuffer
  readonly length: number
  /** How much of it is what connections said. */
  readonly payloadBytes: number
}

export interface SlabAnswer {
  /** Null: stored. Else why not. */
  readonly failure: string | null
  /** With a failure: the connections that alone had one, by number, and which; all else is stored. Null: nothing is. */
  readonly refused: ReadonlyMap<number, string> | null
  /** The slab's; null when nobody has it any more. */
  readonly memory: ArrayBuffer | null
}

/** What whoever writes wants of one connection, whose bytes it cannot take as fast as they come; with false, it can again. */
export interface PressOrder {
  /** The gateway's own number. */
  readonly press: number
  readonly isSlow: boolean
}

export type SeatReport =
  | RecorderReport
  /** Closing took too long: what the sink had not taken was given up. */
  | { readonly kind: 'unfinished' }
