/**
 * Writes what is recorded into a spool's segments: files that are complete in themselves, each a pcapng section of its own.
 *
 * What was written here is stored as far as the recorder is concerned: the system has it, so it outlives a kill. The other end of
 * the spool delivers it, and says what is delivered and removed. What is in the folder is bounded: beyond it, a write waits.
 */

import type { Clock } from '../../core/pool/clock.js'
import { Episode } from '../../core/record/episode.js'
import { Takeover } from '../../core/record/files/takeover.js'
import { TidegateError } from '../../errors.js'
import type { Store, StoreHost } from '../../ports/store.js'
import { type Durability, Syncs } from '../file/durability.js'
import { writeFailed } from '../file/failure.js'
import { FreeSpace, type FreeSpaceFloor } from '../file/free-space.js'
import { syncFolder } from '../file/sync-folder.js'
import { DiskFile } from '../files/disk-file.js'
import { type LeftSegment, segmentPath } from './segments.js'
import type { SpoolNews, SpoolOrder } from './talk.js'

export interface SpoolStoreOptions {
  readonly dir: string
  /** What messages call the whole: the sink's name. */
  readonly where: string
  readonly maxBytes: number
  readonly left: readonly LeftSegment[]
  readonly next: number
  readonly durability: Durability
  /** Free space on its disk that is left to others. */
  readonly floor: FreeSpaceFloor
  readonly clock: Clock
  readonly sectionStart: Uint8Array
  /** The recorders'. */
  readonly sequenceSalt: number
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
  readonly file: DiskFile
}

export class SpoolStore implements Store {
  readonly where: string
  readonly #options: SpoolStoreOptions
  readonly #segmentBytes: number
  readonly #takeover: Takeover
  readonly #free: FreeSpace
  readonly #syncs: Syncs
  /** Bytes of each segment in the folder but the current one. */
  readonly #sealed: Map<number, number>
  #current: Segment | null = null
  #next: number
  #bytes: number
  readonly #full = new Episode()
  #onRoom: (() => void) | null = null
  #closed = false

  constructor(options: SpoolStoreOptions) {
    const { where, dir, maxBytes, left, next, durability, floor, host, sequenceSalt } = options
    this.where = where
    this.#options = options
    this.#segmentBytes = Math.min(MAX_SEGMENT_BYTES, maxBytes / LEAST_SEGMENTS)
    this.#takeover = new Takeover(sequenceSalt)
    this.#free = new FreeSpace(dir, floor)
    this.#syncs = new Syncs(durability, host)
    this.#sealed = new Map(left.map(({ number, bytes }) => [number, bytes]))
    this.#next = next
    this.#bytes = left.reduce((sum, { bytes }) => sum + bytes, 0)
    this.#syncs.start(() => this.#unsynced())
  }

  write(bytes: Uint8Array, seat = 0): void | Promise<void> {
    if (this.#closed) throw this.#isClosed()
    if (bytes.length === 0) return
    if (!this.#hasRoom(bytes.length)) return this.#writeLater(bytes, seat)
    if (this.#full.goes(this.#options.clock.now(), 0) !== null)
      this.#log('info', `the spool '${this.#options.dir}' has room again`)
    this.#put(bytes, seat)
  }

  left(seat: number): void {
    this.#takeover.left(seat)
  }

  /** What the other end has to say. */
  heard(order: SpoolOrder): void {
    if (order.kind === 'removed') return this.#removed(order.segment)
    const current = this.#current
    if (current?.number === order.segment && current.file.bytes === order.end) this.#seal(current)
  }

  /** Completes the current segment: no more is written. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#onRoom?.()
    await this.#syncs.stop(this.#unsynced())
    if (this.#current !== null) this.#seal(this.#current)
    this.#options.tell({ kind: 'over' })
  }

  #hasRoom(length: number): boolean {
    return this.#bytes === 0 || this.#bytes + length <= this.#options.maxBytes
  }

  async #writeLater(bytes: Uint8Array, seat: number): Promise<void> {
    const { dir, maxBytes, clock } = this.#options
    if (this.#full.comes(clock.now(), 0))
      this.#log(
        'warn',
        `the spool '${dir}' is full: ${maxBytes} bytes at most wait there for '${this.where}'`,
      )
    while (!this.#hasRoom(bytes.length)) {
      if (this.#closed) throw this.#isClosed()
      await new Promise<void>((resolve) => {
        this.#onRoom = resolve
      })
    }
    if (this.#closed) throw this.#isClosed()
    this.#full.comes(clock.now(), 0)
    this.#put(bytes, seat)
  }

  #put(bytes: Uint8Array, seat: number): void {
    this.#free.check(bytes.length)
    const { number, file } = this.#segmentFor(bytes.length)
    const before = file.bytes
    const start = before === 0 ? [this.#options.sectionStart] : []
    try {
      this.#append(file, [...start, ...this.#takeover.introductions(bytes, seat), bytes])
    } catch (error) {
      this.#takeover.rollback()
      if (before === 0) this.#discard(file)
      else file.cutBack(before)
      throw writeFailed(file.path, error)
    }
    this.#takeover.commit()
    this.#bytes += file.bytes - before
    this.#options.tell({ kind: 'grown', segment: number, end: file.bytes })
  }

  #append(file: DiskFile, parts: readonly Uint8Array[]): void {
    const bytes = parts.reduce((sum, part) => sum + part.length, 0)
    file.append(parts, bytes)
    if (this.#syncs.isAlways) file.sync()
  }

  /** The current segment, or the next one where that has no room. */
  #segmentFor(length: number): Segment {
    const current = this.#current
    const hasRoom = (current?.file.bytes ?? 0) + length <= this.#segmentBytes
    if (current !== null && hasRoom && this.#takeover.named < MAX_NAMED) return current
    const path = segmentPath(this.#options.dir, this.#next)
    try {
      const next = { number: this.#next, file: DiskFile.create(path) }
      this.#next++
      if (this.#syncs.isAlways) syncFolder(this.#options.dir)
      if (current !== null) this.#seal(current)
      this.#current = next
      this.#takeover.nextFile()
      return next
    } catch (error) {
      // No descriptor left, say: better a longer segment than a loss.
      if (current !== null) return current
      throw writeFailed(path, error)
    }
  }

  #seal({ number, file }: Segment): void {
    this.#syncs.leave(file)
    file.park()
    this.#current = null
    this.#sealed.set(number, file.bytes)
    this.#options.tell({ kind: 'sealed', segment: number, end: file.bytes })
  }

  /** Nothing could be written into it. */
  #discard(file: DiskFile): void {
    this.#current = null
    file.remove()
  }

  #removed(segment: number): void {
    this.#bytes -= this.#sealed.get(segment) ?? 0
    this.#sealed.delete(segment)
    this.#onRoom?.()
  }

  #unsynced(): readonly DiskFile[] {
    return this.#current === null ? [] : [this.#current.file]
  }

  #log(level: 'info' | 'warn', message: string): void {
    this.#options.host.log(level, { dir: this.#options.dir }, message)
  }

  #isClosed(): TidegateError {
    const { dir } = this.#options
    return new TidegateError('write_failed', `the spool '${dir}' is closed`, { fault: 'system', where: dir })
  }
}
