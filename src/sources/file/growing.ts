/**
 * A pcapng file that somebody writes, read as far as it goes, again and again.
 *
 * - committed: where the last whole block ended that was read; what is after it is read again when there is more
 * - cut back: a writer whose write failed cuts the file to what was there before; reading goes on from where it ends then
 */

import { type FileHandle, open } from 'node:fs/promises'
import type { CaptureReader, CaptureRecord } from '../../core/codec/capture.js'
import { MAX_RECORD_BYTES } from '../../core/codec/capture.js'
import { DETECT_BYTES, detectFormat } from '../../core/codec/detect.js'
import { createPcapngReader } from '../../core/codec/pcapng/reader.js'
import { WholeBlocks } from '../../core/codec/pcapng/whole-blocks.js'
import { errnoOf } from '../../errors.js'
import { unreadable } from './chunks.js'

const CHUNK_BYTES = 256 * 1024

export class GrowingFile {
  readonly path: string
  /** `device:inode`: what stays the same when it is renamed. */
  readonly identity: string
  /** Nothing more of it will be read: it is damaged, or no pcapng. */
  isOver = false
  readonly #reader: CaptureReader = createPcapngReader()
  readonly #blocks = new WholeBlocks()
  #handle: FileHandle | null = null
  #committed = 0
  #size = 0

  constructor(path: string, identity: string) {
    this.path = path
    this.identity = identity
  }

  /** Whether a file of this length has to be looked at. */
  hasNews(size: number): boolean {
    return !this.isOver && size !== this.#size
  }

  get isOpen(): boolean {
    return this.#handle !== null
  }

  /** Its length, and whether it still has a name; null once its path belongs to another file or to none, and it is not open. */
  async look(): Promise<number | null> {
    return this.#handle === null ? null : (await this.#handle.stat()).size
  }

  /**
   * The records of the blocks that are whole by now, those of a few at a time; each batch has to be used up.
   * @throws TidegateError (rejects) `file_unreadable`.
   */
  async *read(): AsyncGenerator<Iterable<CaptureRecord>> {
    if (this.isOver) return
    try {
      this.#handle ??= await open(this.path, 'r')
      const { size, dev, ino } = await this.#handle.stat()
      if (`${dev}:${ino}` !== this.identity) return await this.close()
      this.#size = size
      if (size < this.#committed) this.#committed = size
      yield* this.#blocksOf(this.#handle)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw unreadable(this.path, error)
    }
  }

  async *#blocksOf(handle: FileHandle): AsyncGenerator<Iterable<CaptureRecord>> {
    let buffer = new Uint8Array(CHUNK_BYTES)
    while (!this.isOver) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, this.#committed)
      const bytes = buffer.subarray(0, bytesRead)
      if (this.#committed === 0 && !this.#begins(bytes)) return
      const { whole, needed } = this.#blocks.count(bytes)
      if (whole > 0) {
        this.#committed += whole
        yield this.#push(bytes.subarray(0, whole))
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
