/**
 * What of a connection is recorded: how much of each direction, what of it is masked, and whether recording is switched on just
 * now. Fixed for a connection when it opens, but for the switch, which is its listener's.
 */

import type { Redaction } from '../redact/redaction.js'

export interface Capture {
  /** Of each direction, from its beginning; the rest is cut. Infinity: no limit. */
  readonly maxBytes: number
  /** What the ledger says of what is beyond that. */
  readonly limit: string
  /** Masks secrets in what is stored; null: nothing is masked. */
  readonly redaction: Redaction | null
  readonly recording: Switch
}

/** Whether a listener is recorded, in memory that all threads share. */
export class Switch {
  readonly buffer: SharedArrayBuffer
  readonly #cell: Int32Array<SharedArrayBuffer>

  /** `buffer`: of a switch that another thread has made. A new one is off. */
  constructor(buffer = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer
    this.#cell = new Int32Array(buffer)
  }

  get isOn(): boolean {
    return Atomics.load(this.#cell, 0) === 1
  }

  set(isOn: boolean): void {
    Atomics.store(this.#cell, 0, isOn ? 1 : 0)
  }
}

const alwaysOn = (): Switch => {
  const recording = new Switch()
  recording.set(true)
  return recording
}

export const SWITCHED_OFF = 'switched off'
/** Held back by the redaction when the stream was broken off. */
export const UNDECIDED = 'may be part of a secret'
/** What {@link Capture.limit} says where nothing at all is kept. */
export const METADATA_ONLY = 'metadata only'

/** All of a connection, as it is. */
export const EVERYTHING: Capture = {
  maxBytes: Number.POSITIVE_INFINITY,
  limit: '',
  redaction: null,
  recording: alwaysOn(),
}
