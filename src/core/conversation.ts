/**
 * A recording as conversations: what both the packet formats (by way of reassembly) and gogetway's frames
 * become, and what `inspect`, `export` and `verify` work on. Events come in file order; those of one connection
 * in the order they happened.
 */

import type { CaptureRecord } from './codec/capture.js'
import type { Direction } from './direction.js'
import type { CloseAnnotation, Position } from './record/annotation.js'

/** A connection was seen for the first time. */
export interface OpenEvent {
  readonly kind: 'open'
  /** Counted from 1 in order of appearance in the file. */
  readonly connection: number
  readonly timeNs: bigint
  /** In address notation. The real ends if the recording says so, else those of the packets. */
  readonly client: string
  readonly server: string
  /** Name of the gateway's listener, or of the capture interface. */
  readonly listener: string | undefined
  /** The gateway's own number for it, as in its log; undefined where the recording does not say. */
  readonly id: number | undefined
  /** UUID of the run of the gateway that recorded it: `id` is unique within it. Undefined where the recording does not say. */
  readonly recording: string | undefined
  /** False when the capture began in the middle of the connection: no SYN seen. */
  readonly fromStart: boolean
  /** Positions that the connection is taken over at from an earlier file, which is not among these; undefined: it is not. */
  readonly continues?: Position | undefined
}

export interface DataEvent {
  readonly kind: 'data'
  readonly connection: number
  readonly timeNs: bigint
  readonly direction: Direction
  /** Position of the first byte in its direction's stream, lost bytes counted. */
  readonly at: number
  /** Valid only until the next event is asked for. */
  readonly bytes: Uint8Array
}

/** Bytes of the stream that the files do not have. */
export interface GapEvent {
  readonly kind: 'gap'
  readonly connection: number
  readonly timeNs: bigint
  readonly direction: Direction
  readonly at: number
  readonly length: number
  /** As the recording says, or undefined where it says nothing. */
  readonly why: string | undefined
  /** Not recorded on purpose: no loss. */
  readonly cut?: true | undefined
  /** In a file that is not among these, one in between. */
  readonly elsewhere?: true
}

/** One direction ended with FIN. */
export interface FinEvent {
  readonly kind: 'fin'
  readonly connection: number
  readonly timeNs: bigint
  readonly direction: Direction
}

/** A file ends here, the connection does not; what comes of it in the next one goes on at these positions. */
export interface ContinueEvent extends Position {
  readonly kind: 'continue'
  readonly connection: number
  readonly timeNs: bigint
}

/** The connection is over. Absent for connections that the file leaves open. */
export interface CloseEvent {
  readonly kind: 'close'
  readonly connection: number
  readonly timeNs: bigint
  /** The gateway's reason and ledger if the recording has it; else null. */
  readonly annotation: CloseAnnotation | null
  /** How the packets themselves ended. */
  readonly how: 'fin' | 'reset'
}

export type ConversationEvent = OpenEvent | DataEvent | GapEvent | FinEvent | ContinueEvent | CloseEvent

/** Turns capture records into events; pure, with bounded memory, however many connections a file has open at once. */
export interface ConversationReader {
  push(record: CaptureRecord): Iterable<ConversationEvent>
  /** End of file: gaps and bytes still held back are given out. */
  end(): Iterable<ConversationEvent>
  /** Packets that were not TCP, or that could not be understood, so far. */
  readonly ignored: number
}
