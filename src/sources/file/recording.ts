/**
 * A recording on disk, or coming in on stdin: its format found out, its bytes read once, in order, in constant memory. It may
 * lie in several files: they are read one after the other, as one.
 *
 * - records: what the files have, packet by packet or frame by frame
 * - events: the same as conversations, TCP streams put together
 * - damage: where a file stops following its format. What is before it is given out, and the next file is read; `damages`
 *   tells afterwards
 */

import type { CaptureFormat, CaptureRecord } from '../../core/codec/capture.js'
import type { ConversationEvent } from '../../core/conversation.js'
import { count } from '../../core/inspect/figures.js'
import { createFrameConversations } from '../../core/reassembly/frames.js'
import { createNumbering } from '../../core/reassembly/numbering.js'
import { createPacketConversations } from '../../core/reassembly/packets.js'
import { TidegateError } from '../../errors.js'
import { type Capture, type CaptureHooks, type FileDamage, openCapture } from './capture.js'
import { type ChunkSource, openFileChunks } from './chunks.js'
import { presentPath } from './directory.js'
import { type InputOptions, inputOf } from './inputs.js'
import { type PlannedFile, planOf } from './plan.js'

export interface OpenOptions extends InputOptions {
  /** Told of each chunk, in bytes as they lie in the files. `totalBytes` is null where it is not known (stdin, pipes). */
  readonly onProgress?: (bytesRead: number, totalBytes: number | null) => void
}

/**
 * Read once: {@link RecordingFile.records}, {@link RecordingFile.events} or {@link RecordingFile.batches}, and only one of
 * them. Ending the loop early closes what is open.
 *
 * `onRecord` sees the records that the events are made of, the damage included, in the same pass: each is told just before
 * its events are given out, and its bytes are valid only during the call. What it throws ends the loop.
 */
export interface RecordingFile {
  /** The path, or `stdin`; for several inputs the first, and how many more. */
  readonly name: string
  /** The files' paths, or the one source's name, in the order they are read. */
  readonly files: readonly string[]
  /** Files in directories that were passed over: they are no recordings. */
  readonly skipped: number
  /** `mixed` where files have different ones. */
  readonly format: CaptureFormat | 'mixed'
  readonly totalBytes: number | null
  /**
   * Damage comes as the last record of a file. Offsets count within a file; the next file begins with a section or a
   * frame. Bytes in a record are valid only until the next one is asked for.
   */
  records(): AsyncIterable<CaptureRecord>
  /** Bytes in an event are valid only until the next one is asked for. */
  events(onRecord?: RecordObserver): AsyncIterable<ConversationEvent>
  /** As `events`, those of one chunk of a file at a time: no promise per event. Each batch has to be used up. */
  batches(onRecord?: RecordObserver): AsyncIterable<Iterable<ConversationEvent>>
  /** The first of {@link RecordingFile.damages}; null for a recording that is whole. */
  readonly damage: FileDamage | null
  /** Those that `events` or `records` has come to: at most one for each file. */
  readonly damages: readonly FileDamage[]
  /** So far, in bytes as they lie in the files. */
  readonly bytesRead: number
  /** Packets that were not TCP, or could not be understood, so far. */
  readonly ignored: number
  /** Idempotent; not needed after the loop. */
  close(): Promise<void>
}

/** @param file the path, or the source's name, that the record is from. */
export type RecordObserver = (record: CaptureRecord, file: string) => void

/** What is to be read, before it is. */
interface Contents {
  readonly name: string
  readonly files: readonly string[]
  readonly skipped: number
  readonly format: CaptureFormat | 'mixed'
  readonly totalBytes: number | null
  /** In order. What is given is opened; a file that cannot be is given as its damage. */
  captures(): AsyncIterable<Capture | FileDamage>
  close(): Promise<void>
}

const openSingle = async (source: ChunkSource, hooks: CaptureHooks): Promise<Contents> => {
  const capture = await openCapture(source, hooks)
  const { name, format, totalBytes, close } = capture
  return {
    name,
    files: [name],
    skipped: 0,
    format,
    totalBytes,
    async *captures() {
      yield capture
    },
    close,
  }
}

const unopened = (file: string, message: string): FileDamage => ({
  kind: 'damage',
  file,
  offset: 0,
  message,
  torn: false,
  compressed: false,
  bytesRead: 0,
})

/** A file that was one of a directory when it was listed. */
const openPlanned = async ({ path }: PlannedFile, hooks: CaptureHooks): Promise<Capture | FileDamage> => {
  const present = await presentPath(path)
  if (present === null) return unopened(path, 'it is no longer there')
  try {
    return await openCapture(await openFileChunks(present), hooks)
  } catch (error) {
    if (!(error instanceof TidegateError) || error.code !== 'format_unknown') throw error
    return unopened(path, error.message.replace(`'${path}' `, 'it '))
  }
}

const noRecordings = (name: string, others: number): TidegateError => {
  const found =
    others === 0 ? 'holds no recordings' : `holds no recordings among its ${count(others, 'file')}`
  return new TidegateError('format_unknown', `'${name}' ${found}: expected pcapng, pcap or gogetway`, {
    fault: 'usage',
    where: name,
  })
}

const openSet = (
  name: string,
  files: readonly PlannedFile[],
  skipped: number,
  hooks: CaptureHooks,
): Contents => {
  const formats = new Set(files.map(({ format }) => format).filter((format) => format !== null))
  const [format] = formats
  if (format === undefined) throw noRecordings(name, skipped + files.length)
  let open: Capture | null = null
  return {
    name,
    files: files.map(({ path }) => path),
    skipped,
    format: formats.size === 1 ? format : 'mixed',
    totalBytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    async *captures() {
      for (const file of files) {
        const next = await openPlanned(file, hooks)
        if (!('kind' in next)) open = next
        yield next
      }
    },
    close: async () => open?.close(),
  }
}

const openContents = async (
  texts: readonly string[],
  options: OpenOptions,
  hooks: CaptureHooks,
): Promise<Contents> => {
  const [first] = texts
  if (first === undefined)
    throw new TidegateError('usage', 'no recording to read: expected at least one path', { fault: 'usage' })
  const inputs = []
  for (const text of texts) inputs.push({ text, input: await inputOf(text, options) })
  const only = inputs.length === 1 ? inputs[0]?.input : undefined
  if (only?.kind === 'stream') return openSingle(await only.open(), hooks)
  if (only?.kind === 'file') return openSingle(await openFileChunks(only.path), hooks)
  const { files, skipped } = await planOf(inputs)
  const name = texts.length === 1 ? first : `${first} and ${texts.length - 1} more`
  return openSet(name, files, skipped, hooks)
}

/**
 * @param paths files, directories (their recordings, at any depth), or `-` by itself. Several files are one recording, in the
 *   order of their first packets; connections may go on from one into the next.
 * @throws TidegateError (rejects) `file_unreadable`, `format_unknown` (also for an empty file), `usage`.
 */
export const openRecording = async (
  paths: string | readonly string[],
  options: OpenOptions = {},
): Promise<RecordingFile> => {
  const texts = typeof paths === 'string' ? [paths] : paths
  const { onProgress } = options
  let totalBytes: number | null = null
  let bytesRead = 0
  const damages: FileDamage[] = []
  const contents = await openContents(texts, options, {
    onBytes: (length) => {
      bytesRead += length
      onProgress?.(bytesRead, totalBytes)
    },
    onDamage: (damage) => damages.push(damage),
  })
  totalBytes = contents.totalBytes
  return recordingOf(contents, damages, () => bytesRead)
}

const alreadyRead = (name: string): TidegateError =>
  new TidegateError('misuse', `'${name}' was read already: open it again`, { fault: 'hook', where: name })

const recordingOf = (contents: Contents, damages: FileDamage[], bytesRead: () => number): RecordingFile => {
  const { name, files, skipped, format, totalBytes, close } = contents
  const numbering = createNumbering()
  const packets = createPacketConversations(numbering)
  const frames = createFrameConversations(numbering)
  let begun = false

  /** Each with the name of the file it is from. */
  async function* recordBatches(): AsyncGenerator<readonly [Iterable<CaptureRecord>, string]> {
    if (begun) throw alreadyRead(name)
    begun = true
    try {
      for await (const capture of contents.captures()) {
        if ('kind' in capture) {
          damages.push(capture)
          yield [[capture], capture.file]
        } else for await (const batch of capture.batches()) yield [batch, capture.name]
      }
    } finally {
      await close()
    }
  }

  function* eventsOf(
    found: Iterable<CaptureRecord>,
    file: string,
    onRecord: RecordObserver | undefined,
  ): Generator<ConversationEvent> {
    for (const record of found) {
      onRecord?.(record, file)
      if (record.kind === 'frame') yield* frames.push(record)
      else if (record.kind !== 'damage') yield* packets.push(record)
    }
  }

  async function* records(): AsyncGenerator<CaptureRecord> {
    for await (const [batch] of recordBatches()) yield* batch
  }

  async function* batches(onRecord?: RecordObserver): AsyncGenerator<Iterable<ConversationEvent>> {
    for await (const [batch, file] of recordBatches()) yield eventsOf(batch, file, onRecord)
    yield packets.end()
    yield frames.end()
  }

  async function* events(onRecord?: RecordObserver): AsyncGenerator<ConversationEvent> {
    for await (const batch of batches(onRecord)) yield* batch
  }

  return {
    name,
    files,
    skipped,
    format,
    totalBytes,
    records,
    events,
    batches,
    get damage() {
      return damages[0] ?? null
    },
    damages,
    get bytesRead() {
      return bytesRead()
    },
    get ignored() {
      return packets.ignored
    },
    close,
  }
}
