/**
 * Writes a recording's file, with calls that block: on a thread of its own a write costs no more than the system takes for it.
 *
 * A write that fails leaves nothing behind: the file is cut back to the last whole slab. How far that reaches is kept in
 * shared memory, so that if the thread itself should die in the middle, whoever closes the file can still cut it.
 */

import { ftruncateSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { errnoOf, TidegateError } from '../../errors.js'
import type { Store, StoreHost } from '../../ports/store.js'
import { type Durability, Syncs, syncBeside, syncNow } from './durability.js'
import { writeFailed } from './failure.js'
import { FreeSpace, type FreeSpaceFloor, NO_FLOOR } from './free-space.js'

/** A file that is open, as plain data. */
export interface FileTarget {
  readonly where: string
  readonly descriptor: number
  readonly account: FileAccount
}

/** What else is asked of it. */
export interface WriterOptions {
  readonly durability: Durability
  readonly floor: FreeSpaceFloor
}

const NOTHING_ELSE: WriterOptions = { durability: { sync: 'never', intervalMs: 0 }, floor: NO_FLOOR }

/** What of the file is whole. In shared memory; whose cells are which is {@link FILE_CELL}. */
export type FileAccount = Float64Array

export const FILE_CELL = {
  /** End of what was written whole; {@link PASSED_ON} where bytes are only passed on: a pipe, a device. */
  end: 0,
  /** 1 while something may be behind that: a write is under way, or failed half-way. */
  torn: 1,
} as const

const PASSED_ON = -1

export const openAccount = (end: number | null): FileAccount => {
  const account = new Float64Array(new SharedArrayBuffer(2 * Float64Array.BYTES_PER_ELEMENT))
  account[FILE_CELL.end] = end ?? PASSED_ON
  return account
}

/** Where the file has to be cut, if it has to be. */
export const cutDue = (account: FileAccount): number | null => {
  const end = account[FILE_CELL.end] ?? PASSED_ON
  return account[FILE_CELL.torn] === 1 && end !== PASSED_ON ? end : null
}

/** A reader that keeps up empties the pipe within these turns of the loop; one that does not is looked at now and then. */
const BUSY_TRIES = 50
const FULL_PIPE_WAIT_MS = 10

const isFull = (error: unknown): boolean => errnoOf(error) === 'EAGAIN'

export class FileWriter implements Store {
  readonly where: string
  readonly #descriptor: number
  readonly #account: FileAccount
  readonly #free: FreeSpace
  readonly #syncs: Syncs
  #closed = false
  /** Written since it was last forced to the disk. */
  #dirty = false

  /** The file stays open until whoever opened it closes it, after {@link close}. */
  constructor(
    { where, descriptor, account }: FileTarget,
    host: StoreHost | null = null,
    options = NOTHING_ELSE,
  ) {
    this.where = where
    this.#descriptor = descriptor
    this.#account = account
    this.#free = new FreeSpace(dirname(where), options.floor)
    this.#syncs = new Syncs(options.durability, host)
    this.#syncs.start(() => [this])
  }

  write(bytes: Uint8Array): void | Promise<void> {
    if (this.#closed)
      throw new TidegateError('misuse', `'${this.where}' is closed`, { fault: 'internal', where: this.where })
    const end = this.#end
    if (end === null) return this.#passOn(bytes)
    this.#free.check(bytes.length)
    try {
      this.#cutTorn(end)
      this.#account[FILE_CELL.torn] = 1
      for (let done = 0; done < bytes.length; )
        done += taken(writeSync(this.#descriptor, bytes, done, bytes.length - done, end + done))
      this.#dirty = true
      if (this.#syncs.isAlways) syncNow(this.#descriptor)
      this.#account[FILE_CELL.end] = end + bytes.length
      this.#account[FILE_CELL.torn] = 0
    } catch (error) {
      this.#tryToCut(end)
      throw writeFailed(this.where, error)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#syncs.stop([this])
  }

  /** What went wrong, or null. */
  async syncBeside(): Promise<Error | null> {
    if (!this.#dirty) return null
    this.#dirty = false
    return syncBeside(this.#descriptor)
  }

  get #end(): number | null {
    const end = this.#account[FILE_CELL.end] ?? PASSED_ON
    return end === PASSED_ON ? null : end
  }

  /** @throws what the system says. */
  #cutTorn(end: number): void {
    if (this.#account[FILE_CELL.torn] !== 1) return
    ftruncateSync(this.#descriptor, end)
    this.#account[FILE_CELL.torn] = 0
  }

  /** If this fails as well, the next write tries it again before anything else. */
  #tryToCut(end: number): void {
    try {
      this.#cutTorn(end)
    } catch {
      // The write's own error is the one to tell.
    }
  }

  async #passOn(bytes: Uint8Array): Promise<void> {
    let done = 0
    try {
      if (this.#account[FILE_CELL.torn] === 1)
        throw new Error('an earlier write was cut short and cannot be taken back')
      while (done < bytes.length) done += await this.#passOnSome(bytes, done)
    } catch (error) {
      if (done > 0) this.#account[FILE_CELL.torn] = 1
      throw writeFailed(this.where, error)
    }
  }

  async #passOnSome(bytes: Uint8Array, from: number): Promise<number> {
    for (let tries = 0; ; tries++) {
      try {
        return taken(writeSync(this.#descriptor, bytes, from, bytes.length - from, null))
      } catch (error) {
        // A full pipe; a sink that is closed waits for no reader.
        if (!isFull(error) || this.#closed) throw error
        if (tries < BUSY_TRIES) await setImmediate()
        else await setTimeout(FULL_PIPE_WAIT_MS)
      }
    }
  }
}

const taken = (written: number): number => {
  if (written === 0) throw new Error('the system wrote nothing')
  return written
}
