/**
 * A recording on disk, or coming in on stdin: its format found out, its bytes read once, in order, in constant memory.
 *
 * - records: what the file has, packet by packet or frame by frame
 * - events: the same as conversations, TCP streams put together
 * - damage: where the file stops following its format. What is before it is given out; `damage` tells afterwards
 */

import type { CaptureFormat, CaptureReader, CaptureRecord, DamageRecord } from '../../core/codec/capture.js'
import { createCaptureReader } from '../../core/codec/detect.js'
import type { ConversationEvent, ConversationReader } from '../../core/conversation.js'
import { createFrameConversations } from '../../core/reassembly/frames.js'
import { createPacketConversations } from '../../core/reassembly/packets.js'
import { TidegateError } from '../../errors.js'
import { type ChunkSource, openFileChunks, streamChunks } from './chunks.js'
import { type Detected, detect } from './format.js'

export interface OpenOptions {
  /** Told after each chunk. `totalBytes` is null where it is not known (stdin, pipes). */
  readonly onProgress?: (bytesRead: number, totalBytes: number | null) => void
  /** What `-` reads. Default: the process's stdin. */
  readonly stdin?: AsyncIterable<Uint8Array>
}

/**
 * Read once: {@link RecordingFile.records}, {@link RecordingFile.events} or {@link RecordingFile.batches}, and only one of
 * them. Ending the loop early closes the file.
 *
 * `onRecord` sees the records that the events are made of, the damage included, in the same pass: each is told just before
 * its events are given out, and its bytes are valid only during the call. What it throws ends the loop.
 */
export interface RecordingFile {
  /** The path, or `stdin`. */
  readonly name: string
  readonly format: CaptureFormat
  readonly totalBytes: number | null
  /** Damage comes as the last record. Bytes in a record are valid only until the next one is asked for. */
  records(): AsyncIterable<CaptureRecord>
  /** Bytes in an event are valid only until the next one is asked for. */
  events(onRecord?: RecordObserver): AsyncIterable<ConversationEvent>
  /** As `events`, those of one chunk of the file at a time: no promise per event. Each batch has to be used up. */
  batches(onRecord?: RecordObserver): AsyncIterable<Iterable<ConversationEvent>>
  /** Set once `events` or `records` has come to it; null for a file that is whole. */
  readonly damage: DamageRecord | null
  /** So far. */
  readonly bytesRead: number
  /** Packets that were not TCP, or could not be understood, so far. */
  readonly ignored: number
  /** Idempotent; not needed after the loop. */
  close(): Promise<void>
}

export type RecordObserver = (record: CaptureRecord) => void

const conversationsOf = (format: CaptureFormat): ConversationReader =>
  format === 'gogetway' ? createFrameConversations() : createPacketConversations()

/** @throws TidegateError (rejects) `file_unreadable`, `format_unknown` (also for an empty file). */
export const openRecording = async (path: string, options: OpenOptions = {}): Promise<RecordingFile> => {
  const source =
    path === '-' ? streamChunks(options.stdin ?? process.stdin, 'stdin') : await openFileChunks(path)
  const chunks = source.chunks()[Symbol.asyncIterator]()
  try {
    const detected = await detect(source.name, chunks)
    return recordingOf(source, chunks, detected, options)
  } catch (error) {
    await chunks.return?.()
    await source.close()
    throw error
  }
}

const alreadyRead = (name: string): TidegateError =>
  new TidegateError('misuse', `'${name}' was read already: open it again`, { fault: 'hook', where: name })

const recordingOf = (
  source: ChunkSource,
  rest: AsyncIterator<Uint8Array>,
  { format, head }: Detected,
  { onProgress }: OpenOptions,
): RecordingFile => {
  const { name, totalBytes } = source
  const reader: CaptureReader = createCaptureReader(format)
  const conversations = conversationsOf(format)
  let damage: DamageRecord | null = null
  let begun = false
  let bytesRead = 0

  const close = async (): Promise<void> => {
    await rest.return?.()
    await source.close()
  }

  const count = (chunk: Uint8Array): void => {
    bytesRead += chunk.length
    onProgress?.(bytesRead, totalBytes)
  }

  async function* chunks(): AsyncGenerator<Uint8Array> {
    if (begun) throw alreadyRead(name)
    begun = true
    try {
      for (const chunk of head) {
        count(chunk)
        yield chunk
      }
      for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
        count(next.value)
        yield next.value
      }
    } finally {
      await close()
    }
  }

  function* noting(found: Iterable<CaptureRecord>): Generator<CaptureRecord> {
    for (const record of found) {
      if (record.kind === 'damage') damage = record
      yield record
    }
  }

  function* eventsOf(
    found: Iterable<CaptureRecord>,
    onRecord: RecordObserver | undefined,
  ): Generator<ConversationEvent> {
    for (const record of noting(found)) {
      onRecord?.(record)
      if (record.kind !== 'damage') yield* conversations.push(record)
    }
  }

  async function* recordBatches(): AsyncGenerator<Iterable<CaptureRecord>> {
    for await (const chunk of chunks()) {
      yield reader.push(chunk)
      // Nothing after the damage can be trusted, so nothing of it is read.
      if (damage !== null) return
    }
    yield reader.end()
  }

  async function* records(): AsyncGenerator<CaptureRecord> {
    for await (const batch of recordBatches()) yield* noting(batch)
  }

  async function* batches(onRecord?: RecordObserver): AsyncGenerator<Iterable<ConversationEvent>> {
    for await (const batch of recordBatches()) yield eventsOf(batch, onRecord)
    yield conversations.end()
  }

  async function* events(onRecord?: RecordObserver): AsyncGenerator<ConversationEvent> {
    for await (const batch of batches(onRecord)) yield* batch
  }

  return {
    name,
    format,
    totalBytes,
    records,
    events,
    batches,
    get damage() {
      return damage
    },
    get bytesRead() {
      return bytesRead
    },
    get ignored() {
      return conversations.ignored
    },
    close,
  }
}
