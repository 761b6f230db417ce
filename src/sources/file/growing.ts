/**
 * A pcapng file that somebody writes, read as far as it goes, again and again.
 *
 * - committed: where the last whole block ended that was read; what is after it is read again when there is more
 * - cut back: a writer whose write failed cuts the file to what was there before, and may have written something else there
 *   before anybody looks again
 * - mark: where a look ended, and the bytes before it, by which it is known whether they are still the same
 */

import type { Stats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { CaptureReader, CaptureRecord } from '../../core/codec/capture.js'
import { MAX_RECORD_BYTES } from '../../core/codec/capture.js'
import { DETECT_BYTES, detectFormat } from '../../core/codec/detect.js'
import { createPcapngReader } from '../../core/codec/pcapng/reader.js'
import { WholeBlocks } from '../../core/codec/pcapng/whole-blocks.js'
import { errnoOf } from '../../errors.js'
import { unreadable } from './chunks.js'

const CHUNK_BYTES = 256 * 1024

export interface GrownBatch {
  readonly records: Iterable<CaptureRecord>
  /** To be added to a record's offset, to have where it is in the file now. */
  readonly shift: number
}

interface Mark {
  readonly at: number
  /** The last bytes before it. */
  readonly before: Uint8Array
}

/** Enough that blocks hardly have the same: the end of a packet, its options and its length. */
const MARK_BYTES = 64
/** A write that fails is short beside so many looks. */
const MAX_MARKS = 16

const START: Mark = { at: 0, before: new Uint8Array(0) }

const bytesBefore = async (handle: FileHandle, at: number): Promise<Uint8Array> => {
  const bytes = new Uint8Array(Math.min(at, MARK_BYTES))
  const { bytesRead } = await handle.read(bytes, 0, bytes.length, at - bytes.length)
  return bytes.subarray(0, bytesRead)
}

/**
 * `device:inode:birth`: what stays the same when a file is renamed. The number of one that was removed is given to another, so the
 * time of birth is in it, which is 0 where a file system has none.
 */
export const identityOf = ({ dev, ino, birthtimeMs }: Stats): string => `${dev}:${ino}:${birthtimeMs}`

export class GrowingFile {
  /** What it is opened by; whoever finds it under another name says so here. */
  path: string
  /** By {@link identityOf}. */
  readonly identity: string
  /** Nothing more of it will be read: it is damaged, or no pcapng. */
  isOver = false
  readonly #reader: CaptureReader = createPcapngReader()
  readonly #blocks = new WholeBlocks()
  #handle: FileHandle | null = null
  #committed = 0
  /** To the reader, whose offsets count it: more than is committed where something was read again. */
  #given = 0
  #size = 0
  /** In order. */
  readonly #marks: Mark[] = []

  constructor(path: string, identity: string) {
    this.path = path
    this.identity = identity
  }

  /** Whether a file of this length has to be looked at. */
  hasNews(size: number): boolean {
    return !this.isOver && size !== this.#size
  }

  /** Nothing of it has been given out. */
  get isUnread(): boolean {
    return this.#given === 0
  }

  /** Its length, also once it has lost its name; null where it is not open. */
  async look(): Promise<number | null> {
    return this.#handle === null ? null : (await this.#handle.stat()).size
  }

  /**
   * The records of the blocks that are whole by now, those of a few at a time; each batch has to be used up.
   * @throws TidegateError (rejects) `file_unreadable`.
   */
  async *read(): AsyncGenerator<GrownBatch> {
    if (this.isOver) return
    try {
      this.#handle ??= await open(this.path, 'r')
      const found = await this.#handle.stat()
      if (identityOf(found) !== this.identity) return await this.close()
      this.#size = found.size
      await this.#goBack(this.#handle)
      yield* this.#blocksOf(this.#handle)
      await this.#mark(this.#handle)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw unreadable(this.path, error)
    }
  }

  /** To the last mark before which nothing has changed. */
  async #goBack(handle: FileHandle): Promise<void> {
    for (let mark = this.#marks.at(-1); mark !== undefined; mark = this.#marks.at(-1)) {
      const now = await bytesBefore(handle, mark.at)
      if (now.length === mark.before.length && now.every((byte, at) => byte === mark.before[at])) break
      this.#marks.pop()
    }
    this.#committed = (this.#marks.at(-1) ?? START).at
  }

  async #mark(handle: FileHandle): Promise<void> {
    if (this.#committed === (this.#marks.at(-1) ?? START).at) return
    this.#marks.push({ at: this.#committed, before: await bytesBefore(handle, this.#committed) })
    if (this.#marks.length > MAX_MARKS) this.#marks.shift()
  }

  async *#blocksOf(handle: FileHandle): AsyncGenerator<GrownBatch> {
    let buffer = new Uint8Array(CHUNK_BYTES)
    while (!this.isOver) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, this.#committed)
      const bytes = buffer.subarray(0, bytesRead)
      if (this.#committed === 0 && !this.#begins(bytes)) return
      const { whole, needed } = this.#blocks.count(bytes)
      if (whole > 0) {
        const shift = this.#committed - this.#given
        this.#committed += whole
        this.#given += whole
        yield { records: this.#push(bytes.subarray(0, whole)), shift }
      } else if (needed > buffer.length && needed <= MAX_RECORD_BYTES && bytesRead === buffer.length)
        buffer = new Uint8Array(needed)
      else return
    }
  }

  /** False while it is too short to tell, and for a file that is none. */
  #begins(bytes: Uint8Array): boolean {
    const format = detectFormat(bytes.subarray(0, DETECT_BYTES))
    this.isOver = format !== 'pcapng' && format !== 'more'
    return format === 'pcapng'
  }

  *#push(bytes: Uint8Array): Generator<CaptureRecord> {
    for (const record of this.#reader.push(bytes)) {
      if (record.kind === 'damage') this.isOver = true
      yield record
    }
  }

  /** It can be read on afterwards. */
  async close(): Promise<void> {
    const handle = this.#handle
    this.#handle = null
    await handle?.close()
  }
}
