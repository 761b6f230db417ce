/** Records for a sink to store, all of them different: what connections might have said. */

import type { Direction } from '../../core/direction.js'
import type { CloseRecord, ConnectionKey, DataRecord, SinkRecord } from '../../ports/sink.js'

/** Later than any real one would be in a test, and with every digit of its nanoseconds in use. */
const START_NS = 1_900_000_000_123_456_789n

/** Pseudo-random bytes that tell their connection, direction and position. */
const payload = (seed: number, length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  let state = (seed ^ 0x9e3779b9) >>> 0
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[at] = state >>> 24
  }
  return bytes
}

/** What one connection says, record by record. */
export class Speaker {
  readonly key: ConnectionKey
  readonly #ended: Record<Direction, number> = { upstream: 0, downstream: 0 }
  readonly #lost: Record<Direction, { at: number; length: number; why: string }[]> = {
    upstream: [],
    downstream: [],
  }
  readonly #cut: Record<Direction, { at: number; length: number; why: string }[]> = {
    upstream: [],
    downstream: [],
  }
  #records = 0

  constructor(recording: string, connection: number) {
    this.key = { recording, connection }
  }

  open(
    more: { readonly listener?: string; readonly client?: string; readonly server?: string } = {},
  ): SinkRecord {
    const { listener = 'web', client = '192.0.2.1:40000', server = '[2001:db8::2]:5432' } = more
    return { kind: 'open', ...this.key, timeNs: this.#now(), listener, client, server }
  }

  data(direction: Direction, bytes: number | Uint8Array): DataRecord {
    const at = this.#ended[direction]
    const content = typeof bytes === 'number' ? payload(this.key.connection * 31 + at, bytes) : bytes
    this.#ended[direction] += content.length
    return { kind: 'data', ...this.key, direction, at, timeNs: this.#now(), bytes: content }
  }

  /** The next `length` bytes are not stored. */
  gap(direction: Direction, length: number, why: string, cut = false): SinkRecord {
    const at = this.#ended[direction]
    this.#ended[direction] += length
    ;(cut ? this.#cut : this.#lost)[direction].push({ at, length, why })
    return { kind: 'gap', ...this.key, direction, at, length, timeNs: this.#now(), why, cut }
  }

  fin(direction: Direction): SinkRecord {
    return { kind: 'fin', ...this.key, direction, at: this.#ended[direction], timeNs: this.#now() }
  }

  close(reason: CloseRecord['reason'] = 'client_fin'): SinkRecord {
    const entry = (direction: Direction): CloseRecord['upstream'] => {
      const missing = [...this.#lost[direction], ...this.#cut[direction]]
      const seen = this.#ended[direction]
      const stored = seen - missing.reduce((sum, { length }) => sum + length, 0)
      const cut = this.#cut[direction]
      return { seen, stored, lost: this.#lost[direction], ...(cut.length === 0 ? {} : { cut }) }
    }
    const [upstream, downstream] = [entry('upstream'), entry('downstream')]
    return { kind: 'close', ...this.key, timeNs: this.#now(), reason, upstream, downstream }
  }

  /** Nanoseconds apart, and of each connection at another moment. */
  #now(): bigint {
    return START_NS + BigInt(this.key.connection % 1000) * 1_000_000n + BigInt(this.#records++)
  }
}

/** A connection from its beginning to its end, with `chunks` chunks of `length` bytes each way. */
export const conversation = (speaker: Speaker, chunks: number, length: number): readonly SinkRecord[] => [
  speaker.open(),
  ...Array.from({ length: chunks }, () => [
    speaker.data('upstream', length),
    speaker.data('downstream', length),
  ]).flat(),
  speaker.fin('upstream'),
  speaker.fin('downstream'),
  speaker.close(),
]

/** One record of each in turn, so that connections are mixed, each in its own order. */
export const mixed = (rows: readonly (readonly SinkRecord[])[]): readonly SinkRecord[] => {
  const longest = Math.max(0, ...rows.map((row) => row.length))
  return Array.from({ length: longest }, (_, index) =>
    rows.flatMap((row) => {
      const record = row[index]
      return record === undefined ? [] : [record]
    }),
  ).flat()
}

export const inBatches = (records: readonly SinkRecord[], size: number): readonly (readonly SinkRecord[])[] =>
  Array.from({ length: Math.ceil(records.length / size) }, (_, index) =>
    records.slice(index * size, (index + 1) * size),
  )
