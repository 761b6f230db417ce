/**
 * What a database keeps, as the records that the sink was given: recordings in the order they began, their connections
 * by number, one after the other. Of the whole only a page of connections is kept at a time, and of what they said one row.
 */

import type { CloseReason } from '../../core/close-reason.js'
import { CopyReader, type CopyRow } from '../../core/codec/postgres/copy-reader.js'
import type { Direction } from '../../core/direction.js'
import type { LedgerEntry } from '../../core/record/annotation.js'
import type { SinkRecord } from '../../core/record/delivery/sink-record.js'
import type { Row, Session } from '../../postgres/session.js'
import { CONNECTIONS, RECORDINGS, TOLD, toldOf } from './queries.js'

/** The server sorts what a page of connections said: no more of it than this, as far as is known. */
const PAGE_BYTES = 64 * 1024 * 1024

interface StoredConnection {
  readonly connection: number
  readonly listener: string
  readonly client: string
  readonly server: string
  /** null: its opening was not stored. */
  readonly opened: bigint | null
  readonly close: SinkRecord | null
  /** What it said, if that is known. */
  readonly bytes: number
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
const timeOf = (value: unknown): bigint | null => (typeof value === 'string' ? BigInt(value) : null)

/** As it was stored: `verify` finds one that was changed since. */
interface StoredLedger {
  readonly upstream: LedgerEntry
  readonly downstream: LedgerEntry
}

const closeOf = (recording: string, row: Row): SinkRecord | null => {
  const timeNs = timeOf(row.closed)
  if (timeNs === null || row.ledger === null) return null
  const { upstream, downstream } = row.ledger as StoredLedger
  const reason = row.reason as CloseReason
  return {
    kind: 'close',
    recording,
    connection: Number(row.connection),
    timeNs,
    reason,
    upstream,
    downstream,
  }
}

const connectionOf = (recording: string, row: Row): StoredConnection => ({
  connection: Number(row.connection),
  listener: textOf(row.listener),
  client: textOf(row.client),
  server: textOf(row.server),
  opened: timeOf(row.opened),
  close: closeOf(recording, row),
  bytes: typeof row.stored === 'string' ? Number(row.stored) : PAGE_BYTES,
})

/** As many of the first as may be read together, at least one. */
const pageOf = (connections: readonly StoredConnection[]): readonly StoredConnection[] => {
  let bytes = 0
  const end = connections.findIndex((each) => {
    bytes += each.bytes
    return bytes > PAGE_BYTES
  })
  return end === -1 ? connections : connections.slice(0, Math.max(end, 1))
}

/** Millions of them: literals, each of one shape. */
const toldRecord = (recording: string, row: CopyRow): SinkRecord => {
  const connection = row.count(TOLD.connection)
  const direction = row.text(TOLD.direction) as Direction
  const at = row.count(TOLD.at)
  const timeNs = row.int8(TOLD.time)
  const kind = row.text(TOLD.kind)
  if (kind === 'data')
    return { kind, recording, connection, direction, at, timeNs, bytes: row.bytes(TOLD.data) }
  if (kind === 'fin') return { kind, recording, connection, direction, at, timeNs }
  const [length, why] = [row.count(TOLD.length), row.text(TOLD.why)]
  return { kind: 'gap', recording, connection, direction, at, timeNs, length, why, cut: kind === 'cut' }
}

/** Puts the openings and ends of a page's connections around what they said. */
class Page {
  readonly #recording: string
  readonly #connections: readonly StoredConnection[]
  /** Index of the connection that is open now; before the first: -1. */
  #current = -1

  constructor(recording: string, connections: readonly StoredConnection[]) {
    this.#recording = recording
    this.#connections = connections
  }

  *told(record: SinkRecord): Generator<SinkRecord> {
    yield* this.#upTo(record.connection, record.timeNs)
    yield record
  }

  /** Those that said nothing, or nothing more. */
  *end(): Generator<SinkRecord> {
    yield* this.#upTo(Number.POSITIVE_INFINITY, null)
    yield* this.#over()
  }

  /** Ends connections before this one and opens it. */
  *#upTo(connection: number, timeNs: bigint | null): Generator<SinkRecord> {
    for (;;) {
      const next = this.#connections[this.#current + 1]
      if (next === undefined || next.connection > connection) return
      yield* this.#over()
      this.#current++
      const { listener, client, server, opened, close } = next
      const key = { recording: this.#recording, connection: next.connection }
      yield {
        kind: 'open',
        ...key,
        timeNs: opened ?? timeNs ?? close?.timeNs ?? 0n,
        listener,
        client,
        server,
      }
    }
  }

  *#over(): Generator<SinkRecord> {
    const close = this.#connections[this.#current]?.close ?? null
    if (close !== null) yield close
  }
}

async function* pageRecords(
  session: Session,
  recording: string,
  connections: readonly StoredConnection[],
): AsyncGenerator<Iterable<SinkRecord>> {
  const page = new Page(recording, connections)
  const reader = new CopyReader()
  const numbers = connections.map(({ connection }) => connection)
  const batch = function* (chunk: Uint8Array): Generator<SinkRecord> {
    for (const row of reader.push(chunk)) yield* page.told(toldRecord(recording, row))
  }
  for await (const chunk of session.copyOut(toldOf(recording, numbers))) yield batch(chunk)
  reader.end()
  yield page.end()
}

/**
 * In batches, each of which has to be used up; the bytes of a record are valid until the next one is asked for.
 * @param only this recording; null: all
 */
export async function* storedRecords(
  session: Session,
  only: string | null,
): AsyncGenerator<Iterable<SinkRecord>> {
  const recordings = await session.query(RECORDINGS, [only])
  for (const { recording } of recordings.rows) {
    const name = textOf(recording)
    for (let after = -1; ; ) {
      const { rows } = await session.query(CONNECTIONS, [name, after])
      const page = pageOf(rows.map((row) => connectionOf(name, row)))
      const last = page.at(-1)
      if (last === undefined) break
      yield* pageRecords(session, name, page)
      after = last.connection
    }
  }
}
