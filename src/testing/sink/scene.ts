/** One case's place and its sinks, and what must be stored there. */

import assert from 'node:assert/strict'
import { type ConnectionKey, frameId, type Sink, type SinkRecord } from '../../ports/sink.js'
import { within } from '../wait.js'
import type { SinkPlace } from './place.js'

/** For one call, ms: databases on busy machines take seconds. */
const CALL_MS = 20_000
/** How often a batch that does not come through is brought again. */
const MAX_TRIES = 20

const connectionText = ({ recording, connection }: ConnectionKey): string => `${recording}/${connection}`

/** What makes a record the same when it comes again. */
const keyOf = (record: SinkRecord): string => {
  const connection = connectionText(record)
  switch (record.kind) {
    case 'open':
    case 'close':
      return `${record.kind} ${connection}`
    case 'data':
      return `data ${frameId(record)}`
    default:
      return `${record.kind} ${connection} ${record.direction} ${record.at}`
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** As a message shows it; long payloads by their ends. */
const shown = (record: SinkRecord): unknown =>
  record.kind === 'data' && record.bytes.length > 64
    ? { ...record, bytes: `${hex(record.bytes.subarray(0, 16))}… (${record.bytes.length})` }
    : record.kind === 'data'
      ? { ...record, bytes: hex(record.bytes) }
      : record

const sameBytes = (left: Uint8Array, right: Uint8Array): boolean =>
  left.length === right.length && Buffer.compare(left, right) === 0

export class SinkScene {
  readonly place: SinkPlace
  readonly #sinks: Sink[] = []

  constructor(place: SinkPlace) {
    this.place = place
  }

  /** A sink that is open. */
  async sink(): Promise<Sink> {
    const sink = await this.closedSink()
    await within(Promise.resolve(sink.open()), 'the sink opens', CALL_MS)
    return sink
  }

  /** A sink that is not open yet. */
  async closedSink(): Promise<Sink> {
    const sink = await this.place.connect()
    this.#sinks.push(sink)
    return sink
  }

  write(
    sink: Sink,
    batch: readonly SinkRecord[],
    signal: AbortSignal = new AbortController().signal,
  ): Promise<void> {
    return within(Promise.resolve(sink.write(batch, signal)), 'the batch is stored, or refused', CALL_MS)
  }

  /** As the gateway does it: after each failure it is opened again, and the same batch comes again. How often it failed. */
  async deliver(sink: Sink, batch: readonly SinkRecord[]): Promise<number> {
    for (let failures = 0; failures < MAX_TRIES; failures++) {
      try {
        await this.write(sink, batch)
        return failures
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error
        await within(Promise.resolve(sink.open()), 'the sink opens again after a failure', CALL_MS)
      }
    }
    return assert.fail(`a batch did not come through in ${MAX_TRIES} tries`)
  }

  /** The place has exactly these, those of each connection in this order; some perhaps several times. */
  async expect(records: readonly SinkRecord[]): Promise<void> {
    const found = byConnection(firstOnly(await within(this.place.stored(), 'the place is read', CALL_MS)))
    const expected = byConnection(firstOnly(records))
    assert.deepEqual([...found.keys()].sort(), [...expected.keys()].sort(), 'connections that are stored')
    for (const [connection, wanted] of expected) {
      const got = found.get(connection) ?? []
      assert.deepEqual(got.map(keyOf), wanted.map(keyOf), `order of what is stored of ${connection}`)
      for (const [index, record] of got.entries()) same(record, wanted[index] ?? record)
    }
  }

  async close(): Promise<void> {
    try {
      for (const sink of this.#sinks) await within(Promise.resolve(sink.close()), 'the sink closes', CALL_MS)
    } finally {
      await this.place.close()
    }
  }
}

const same = (record: SinkRecord, wanted: SinkRecord): void => {
  assert.deepEqual(shown(record), shown(wanted))
  if (record.kind === 'data' && wanted.kind === 'data')
    assert.ok(sameBytes(record.bytes, wanted.bytes), `other bytes than were given of ${frameId(wanted)}`)
}

/** Of what is there several times, the first. @throws AssertionError when bytes came under the same id as other bytes. */
const firstOnly = (records: readonly SinkRecord[]): readonly SinkRecord[] => {
  const seen = new Map<string, SinkRecord>()
  for (const record of records) {
    const first = seen.get(keyOf(record))
    if (first === undefined) seen.set(keyOf(record), record)
    else if (first.kind === 'data' && record.kind === 'data')
      assert.ok(sameBytes(first.bytes, record.bytes), `other bytes under the same id ${frameId(record)}`)
  }
  return [...seen.values()]
}

const byConnection = (records: readonly SinkRecord[]): ReadonlyMap<string, readonly SinkRecord[]> => {
  const connections = new Map<string, SinkRecord[]>()
  for (const record of records) {
    const name = connectionText(record)
    const row = connections.get(name) ?? []
    row.push(record)
    connections.set(name, row)
  }
  return connections
}
