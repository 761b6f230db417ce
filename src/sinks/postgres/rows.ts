/** A batch of records as rows of the three tables, in COPY's binary form (statements.ts has the columns). */

import { parseAddress } from '../../core/address.js'
import { CopyWriter, splitNanoseconds, storableText, uuidBytes } from '../../core/codec/postgres/copy.js'
import type { LedgerEntry, LostRange } from '../../core/record/annotation.js'
import type {
  CloseRecord,
  ConnectionKey,
  DataRecord,
  FinRecord,
  GapRecord,
  OpenRecord,
  SinkRecord,
} from '../../core/record/delivery/sink-record.js'
import { ipOf } from '../../core/record/endpoints.js'
import { TidegateError } from '../../errors.js'

/** What a batch has of one connection, as far as that is one row. */
interface ConnectionHalves extends ConnectionKey {
  open: OpenRecord | null
  close: CloseRecord | null
}

export interface Batch {
  readonly connections: readonly ConnectionHalves[]
  readonly frames: readonly DataRecord[]
  readonly marks: readonly (GapRecord | FinRecord)[]
}

export const sortBatch = (records: readonly SinkRecord[]): Batch => {
  const connections = new Map<string, ConnectionHalves>()
  const frames: DataRecord[] = []
  const marks: (GapRecord | FinRecord)[] = []
  const halves = ({ recording, connection }: ConnectionKey): ConnectionHalves => {
    const key = `${recording}/${connection}`
    const known = connections.get(key)
    if (known !== undefined) return known
    const made = { recording, connection, open: null, close: null }
    connections.set(key, made)
    return made
  }
  for (const record of records) {
    if (record.kind === 'data') frames.push(record)
    else if (record.kind === 'open') halves(record).open ??= record
    else if (record.kind === 'close') halves(record).close ??= record
    else marks.push(record)
  }
  return { connections: [...connections.values()], frames, marks }
}

/** The bytes of a UUID; those of the last one are kept, as a batch is mostly of one recording. */
class Recordings {
  #text = ''
  #bytes: Uint8Array = new Uint8Array(16)

  bytes(text: string): Uint8Array {
    if (text === this.#text) return this.#bytes
    const bytes = uuidBytes(text)
    if (bytes === null)
      throw new TidegateError('misuse', `a recording is called by a UUID, not '${text}'`, {
        fault: 'internal',
      })
    this.#text = text
    this.#bytes = bytes
    return bytes
  }
}

/** A client's IP address; null for a unix socket, or a name. */
const clientIp = (client: string): Uint8Array | null => {
  try {
    const ip = ipOf(parseAddress(client))
    return ip === null ? null : Uint8Array.from(ip.toByteArray())
  } catch {
    return null
  }
}

const lengths = (ranges: readonly LostRange[] | undefined): number =>
  (ranges ?? []).reduce((sum, { length }) => sum + length, 0)

const storableRange = (range: LostRange): LostRange => ({ ...range, why: storableText(range.why) })

const storableEntry = (entry: LedgerEntry): LedgerEntry => ({
  ...entry,
  lost: entry.lost.map(storableRange),
  ...(entry.cut === undefined ? {} : { cut: entry.cut.map(storableRange) }),
})

const timeFields = (writer: CopyWriter, timeNs: bigint): void => {
  const { us, ns } = splitNanoseconds(timeNs)
  writer.timestamp(us)
  writer.int2(ns)
}

const nulls = (writer: CopyWriter, count: number): void => {
  for (let i = 0; i < count; i++) writer.null()
}

const openFields = (writer: CopyWriter, open: OpenRecord | null): void => {
  if (open === null) return nulls(writer, 6)
  writer.text(open.listener)
  writer.text(open.client)
  const ip = clientIp(open.client)
  if (ip === null) writer.null()
  else writer.inet(ip)
  writer.text(open.server)
  timeFields(writer, open.timeNs)
}

const entryFields = (writer: CopyWriter, { seen, stored, lost, cut }: LedgerEntry): void => {
  writer.int8(seen)
  writer.int8(stored)
  writer.int8(lengths(lost))
  writer.int8(lengths(cut))
}

const closeFields = (writer: CopyWriter, close: CloseRecord | null): void => {
  if (close === null) return nulls(writer, 12)
  const { timeNs, reason, upstream, downstream } = close
  timeFields(writer, timeNs)
  writer.text(reason)
  entryFields(writer, upstream)
  entryFields(writer, downstream)
  writer.jsonb({ upstream: storableEntry(upstream), downstream: storableEntry(downstream) })
}

type WriteRow<T> = (writer: CopyWriter, record: T, recording: Uint8Array) => void

const connectionRow: WriteRow<ConnectionHalves> = (writer, { connection, open, close }, recording) => {
  writer.row(20)
  writer.uuid(recording)
  writer.int8(connection)
  openFields(writer, open)
  closeFields(writer, close)
}

const frameRow: WriteRow<DataRecord> = (writer, { connection, at, timeNs, direction, bytes }, recording) => {
  const { us, ns } = splitNanoseconds(timeNs)
  writer.row(7)
  writer.uuid(recording)
  writer.int8(connection)
  writer.int8(at)
  writer.timestamp(us)
  writer.text(direction)
  writer.int2(ns)
  writer.bytes(bytes)
}

const markRow: WriteRow<GapRecord | FinRecord> = (writer, mark, recording) => {
  const { us, ns } = splitNanoseconds(mark.timeNs)
  writer.row(9)
  writer.uuid(recording)
  writer.int8(mark.connection)
  writer.int8(mark.at)
  writer.int8(mark.kind === 'gap' ? mark.length : 0)
  writer.timestamp(us)
  writer.text(mark.direction)
  writer.int2(ns)
  if (mark.kind === 'fin') {
    writer.text('fin')
    writer.null()
  } else {
    writer.text(mark.cut ? 'cut' : 'lost')
    writer.text(mark.why)
  }
}

function* copied<T extends ConnectionKey>(records: readonly T[], write: WriteRow<T>): Generator<Uint8Array> {
  const writer = new CopyWriter()
  const recordings = new Recordings()
  for (const record of records) {
    write(writer, record, recordings.bytes(record.recording))
    yield* writer.blocks()
  }
  yield* writer.end()
}

export const connectionRows = (records: Batch['connections']): Iterable<Uint8Array> =>
  copied(records, connectionRow)
export const frameRows = (records: Batch['frames']): Iterable<Uint8Array> => copied(records, frameRow)
export const markRows = (records: Batch['marks']): Iterable<Uint8Array> => copied(records, markRow)
