/**
 * From what a stream says to what is written of it: nothing while it is switched off or beyond its limit, and secrets masked.
 *
 *     data  =  cut: nothing is copied, nothing written
 *           /  [redaction, which holds back what may become a secret]  →  write, up to the limit
 *
 * The limit is of what is stored. So where a secret may begin before it, the redaction goes on seeing what comes after it until that
 * is decided. What it holds when the stream is switched off, or broken off, is cut, since half a secret is one; and it sees what comes while
 * that is switched off, so that a secret which begins then, or what shows one, is known when it is on again.
 */

import type { RedactOut } from '../redact/redaction.js'
import { SWITCHED_OFF, UNDECIDED } from './capture.js'
import { count, FIGURE } from './counters.js'
import type { StreamTrack } from './track.js'

/** Stores `bytes[from, to)`, which begin at the stream's `next`, or enters them as lost; moves `next` behind them. */
export type Write = (stream: StreamTrack, bytes: Uint8Array, from: number, to: number, nowMs: number) => void

/** Why what comes next of this stream is left out; null: it is not. */
const cutsNow = ({ next, connection: { capture } }: StreamTrack): string | null => {
  if (next >= capture.maxBytes) return capture.limit
  return capture.recording.isOn ? null : SWITCHED_OFF
}

const NOWHERE: RedactOut = () => {}

export class Intake {
  readonly #figures: Float64Array
  readonly #write: Write
  /** Whose redaction gives out bytes just now, and when. */
  #redacting: StreamTrack | null = null
  #nowMs = 0

  constructor(figures: Float64Array, write: Write) {
    this.#figures = figures
    this.#write = write
  }

  /** A chunk that its ledger has seen. No allocation: this is done for each. */
  data(stream: StreamTrack, chunk: Uint8Array, nowMs: number): void {
    const why = cutsNow(stream)
    const { redaction } = stream.connection.capture
    if (why !== null) {
      if (redaction !== null && why === SWITCHED_OFF) {
        stream.redaction ??= redaction.stream()
        stream.redaction.push(chunk, NOWHERE)
      }
      return this.#cut(stream, why)
    }
    if (stream.cutWhy === SWITCHED_OFF) stream.cutHeld = stream.redaction?.held ?? 0
    stream.endCut()
    if (redaction === null) this.#writeUpToLimit(stream, chunk, 0, chunk.length, nowMs)
    else {
      stream.redaction ??= redaction.stream()
      this.#redacting = stream
      this.#nowMs = nowMs
      stream.redaction.push(chunk, this.#redacted)
    }
    this.#cutBeyondLimit(stream)
  }

  /** Nothing follows: deals with what is held back, and enters what was cut last. */
  end(stream: StreamTrack, nowMs: number): void {
    if (stream.next < stream.ledger.seen) this.#flush(stream, nowMs)
    stream.endCut()
  }

  /** It is broken off: what is held back is nobody's to store, as nobody knows what would have followed. */
  breakOff(stream: StreamTrack): void {
    if (stream.next < stream.ledger.seen) this.#cut(stream, UNDECIDED)
    stream.endCut()
  }

  #flush(stream: StreamTrack, nowMs: number): void {
    const why = cutsNow(stream)
    if (why !== null) return this.#cut(stream, why)
    this.#redacting = stream
    this.#nowMs = nowMs
    stream.redaction?.end(this.#redacted)
    this.#cutBeyondLimit(stream)
  }

  /** One function for all streams: none is made per chunk. */
  readonly #redacted: RedactOut = (bytes, from, to) => {
    const stream = this.#redacting
    if (stream === null) return
    const passed = Math.min(stream.cutHeld, to - from)
    stream.cutHeld -= passed
    if (from + passed < to) this.#writeUpToLimit(stream, bytes, from + passed, to, this.#nowMs)
  }

  #writeUpToLimit(stream: StreamTrack, bytes: Uint8Array, from: number, end: number, nowMs: number): void {
    const to = Math.min(end, from + stream.connection.capture.maxBytes - stream.next)
    if (to > from) this.#write(stream, bytes, from, to, nowMs)
  }

  #cutBeyondLimit(stream: StreamTrack): void {
    const { maxBytes, limit } = stream.connection.capture
    if (stream.next >= maxBytes && stream.next < stream.ledger.seen) this.#cut(stream, limit)
  }

  #cut(stream: StreamTrack, why: string): void {
    count(this.#figures, FIGURE.cutBytes, stream.cut(why))
  }
}
