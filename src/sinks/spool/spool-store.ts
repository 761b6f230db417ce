/**
 * Writes what is recorded into a spool's segments: files that are complete in themselves, each a pcapng section of its own.
 *
 * What was written here is stored as far as the recorder is concerned: the system has it, so it outlives a kill. The other end of
 * the spool delivers it, and says what is delivered and removed. What is in the folder is bounded: beyond it, a write waits.
 */

import { statfsSync } from 'node:fs'
import type { Cancel, Clock } from '../../core/pool/clock.js'
import { Episode } from '../../core/record/episode.js'
import { Follower } from '../../core/record/follow/follower.js'
import { messageOf, TidegateError } from '../../errors.js'
import { STORE_FIGURE, type Store, type StoreHost } from '../../ports/store.js'
import { writeFailed } from '../file/failure.js'
import { SegmentFile } from './segment-file.js'
import { type LeftSegment, segmentPath } from './segments.js'
import type { SpoolNews, SpoolOrder } from './talk.js'

export interface SpoolStoreOptions {
  readonly dir: string
  /** What messages call the whole: the sink's name. */
  readonly where: string
  readonly maxBytes: number
  readonly left: readonly LeftSegment[]
  readonly next: number
  /** Free space on its disk that is left to others. */
  readonly minFreeBytes: number
  /** When the disk has to have what was written: never, every `syncIntervalMs`, or before a write is answered. */
  readonly sync: 'never' | 'interval' | 'always'
  readonly syncIntervalMs: number
  readonly clock: Clock
  readonly sectionStart: Uint8Array
  readonly host: StoreHost
  readonly tell: (news: SpoolNews) => void
}

/** Large enough that making and removing files costs nothing beside filling them; what a restart may deliver twice. */
const MAX_SEGMENT_BYTES = 16 * 1024 * 1024
/** A full spool goes on when a quarter is delivered. */
const LEAST_SEGMENTS = 4

/** Connections in one segment: well below what its reader tells apart (reassembly/limits.ts), as one write may add thousands. */
const MAX_NAMED = 32_768

interface Segment {
  readonly number: number
  readonly file: SegmentFile
}

const NOTHING: readonly Uint8Array[] = []

export class SpoolStore implements Store {
  readonly where: string
  readonly #options: SpoolStoreOptions
  readonly #segmentBytes: number
  /** Bytes of each segment in the folder but the current one. */
  readonly #sealed: Map<number, number>
  #current: Segment | null = null
  #next: number
  #bytes: number
  readonly #follower = new Follower()
  readonly #full = new Episode()
  readonly #unsynced = new Episode()
  #syncing: Cancel | null = null
  #onRoom: (() => void) | null = null
  #closed = false

  constructor(options: SpoolStoreOptions) {
    this.where = options.where
    this.#options = options
    this.#segmentBytes = Math.min(MAX_SEGMENT_BYTES, options.maxBytes / LEAST_SEGMENTS)
    this.#sealed = new Map(options.left.map(({ number, bytes }) => [number, bytes]))
    this.#next = options.next
    this.#bytes = options.left.reduce((sum, { bytes }) => sum + bytes, 0)
    this.#count()
  }

  write(bytes: Uint8Array): void | Promise<void> {
    if (this.#closed) throw this.#isClosed()
    if (bytes.length === 0) return
    if (!this.#hasRoom(bytes.length)) return this.#writeLater(bytes)
    if (this.#full.goes(this.#options.clock.now(), 0) !== null)
      this.#log('info', `the spool '${this.#options.dir}' has room again`)
    this.#put(bytes)
  }

  /** What the other end has to say. */
  heard(order: SpoolOrder): void {
    if (order.kind === 'removed') return this.#removed(order.segment)
    const current = this.#current
    if (current?.number === order.segment && current.file.end === order.end) this.#seal(current)
  }

  /** Completes the current segment: no more is written. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#syncing?.()
    this.#onRoom?.()
    if (this.#current !== null) this.#seal(this.#current)
    this.#options.tell({ kind: 'over' })
  }

  #hasRoom(length: number): boolean {
    return this.#bytes === 0 || this.#bytes + length <= this.#options.maxBytes
  }

  async #writeLater(bytes: Uint8Array): Promise<void> {
    const { dir, maxBytes } = this.#options
    if (this.#full.comes(this.#options.clock.now(), 0))
      this.#log('warn', `the spool '${dir}' is full: ${maxBytes} bytes wait there for '${this.where}'`)
    while (!this.#hasRoom(bytes.length)) {
      if (this.#closed) throw this.#isClosed()
      await new Promise<void>((resolve) => {
        this.#onRoom = resolve
      })
    }
    if (this.#closed) throw this.#isClosed()
    this.#full.comes(this.#options.clock.now(), 0)
    this.#put(bytes)
  }

  #put(bytes: Uint8Array): void {
    this.#checkDisk(bytes.length)
    const { number, file } = this.#segmentFor(bytes.length)
    const before = file.end
    const start = before === 0 ? [this.#options.sectionStart] : NOTHING
    try {
      file.write([...start, ...this.#follower.before(bytes), bytes], this.#options.sync === 'always')
    } catch (error) {
      if (before === 0) this.#discard(file)
      throw error
    }
    this.#follower.written(bytes)
    this.#syncLater()
    this.#bytes += file.end - before
    this.#count()
    this.#options.tell({ kind: 'grown', segment: number, end: file.end })
  }

  /** The current segment, or the next one where that has no room. */
  #segmentFor(length: number): Segment {
    const current = this.#current
    const hasRoom = (current?.file.end ?? 0) + length <= this.#segmentBytes
    if (current !== null && hasRoom && this.#follower.named < MAX_NAMED) return current
    const path = segmentPath(this.#options.dir, this.#next)
    try {
      const next = { number: this.#next, file: new SegmentFile(path) }
      this.#next++
      if (current !== null) this.#seal(current)
      this.#current = next
      this.#follower.nextFile()
      return next
    } catch (error) {
      // No descriptor left, say: better a longer segment than a loss.
      if (current !== null) return current
      throw writeFailed(path, error)
    }
  }

  #seal({ number, file }: Segment): void {
    this.#trySync(file)
    file.close()
    this.#current = null
    this.#sealed.set(number, file.end)
    this.#options.tell({ kind: 'sealed', segment: number, end: file.end })
  }

  /** Nothing could be written into it. */
  #discard(file: SegmentFile): void {
    this.#current = null
    file.discard()
  }

  /** @throws TidegateError `write_failed`: too little would be left for others. */
  #checkDisk(length: number): void {
    const { dir, minFreeBytes } = this.#options
    if (minFreeBytes === 0) return
    const { bavail, bsize } = statfsSync(dir)
    if (bavail * bsize - length >= minFreeBytes) return
    throw new TidegateError(
      'write_failed',
      `'${dir}' could not be written: less than ${minFreeBytes} bytes are free`,
      {
        fault: 'system',
        retryable: true,
        where: dir,
        errno: 'ENOSPC',
      },
    )
  }

  #syncLater(): void {
    const { sync, syncIntervalMs, clock } = this.#options
    if (sync !== 'interval' || this.#syncing !== null) return
    this.#syncing = clock.after(
      syncIntervalMs,
      () => {
        this.#syncing = null
        if (this.#current !== null) this.#trySync(this.#current.file)
      },
      true,
    )
  }

  /** What was answered for already cannot be taken back: a failure is only said. */
  #trySync(file: SegmentFile): void {
    if (this.#options.sync === 'never') return
    try {
      file.sync()
      if (this.#unsynced.goes(this.#options.clock.now(), 0) !== null)
        this.#log('info', 'the spool is synced to its disk again')
    } catch (error) {
      if (this.#unsynced.comes(this.#options.clock.now(), 0))
        this.#log('error', `the spool cannot be synced to its disk: ${messageOf(error)}`)
    }
  }

  #removed(segment: number): void {
    this.#bytes -= this.#sealed.get(segment) ?? 0
    this.#sealed.delete(segment)
    this.#count()
    this.#onRoom?.()
  }

  #count(): void {
    this.#options.host.figures[STORE_FIGURE.spooledBytes] = this.#bytes
  }

  #log(level: 'info' | 'warn' | 'error', message: string): void {
    this.#options.host.log(level, { dir: this.#options.dir }, message)
  }

  #isClosed(): TidegateError {
    const { dir } = this.#options
    return new TidegateError('write_failed', `the spool '${dir}' is closed`, { fault: 'system', where: dir })
  }
}
