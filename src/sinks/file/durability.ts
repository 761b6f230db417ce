/**
 * When what is written is forced to the disk:
 *
 * - never: the system does it when it likes, within half a minute as Linux is set up. A killed process loses nothing of it.
 * - interval: now and then, beside the writes
 * - always: before a write counts as done
 */

import { fdatasync, fdatasyncSync } from 'node:fs'
import { errnoOf } from '../../errors.js'
import type { StoreHost } from '../../ports/store.js'

export interface Durability {
  readonly sync: 'never' | 'interval' | 'always'
  readonly intervalMs: number
}

/** @throws what the system says: then nobody knows what of it is on the disk. */
export const syncNow = (descriptor: number): void => fdatasyncSync(descriptor)

/** Resolves to what went wrong, or null. On a thread of its own: writes go on meanwhile. */
export const syncBeside = (descriptor: number): Promise<Error | null> =>
  new Promise((resolve) => fdatasync(descriptor, resolve))

interface Syncable {
  /** Resolves to what went wrong, or null. */
  syncBeside(): Promise<Error | null>
}

/** Forces files to the disk now and then, where that is asked for, and says once when it does not work, and once when it does again. */
export class Syncs {
  readonly isAlways: boolean
  readonly #isInterval: boolean
  readonly #intervalMs: number
  readonly #host: StoreHost | null
  #timer: NodeJS.Timeout | null = null
  #fails = false

  constructor({ sync, intervalMs }: Durability, host: StoreHost | null) {
    this.isAlways = sync === 'always'
    this.#isInterval = sync === 'interval'
    this.#intervalMs = intervalMs
    this.#host = host
  }

  /** `files`: those that are written to then. */
  start(files: () => readonly Syncable[]): void {
    if (!this.#isInterval) return
    const round = async (): Promise<void> => {
      await this.#all(files())
      if (this.#timer !== null) this.#timer = setTimeout(() => void round(), this.#intervalMs)
    }
    this.#timer = setTimeout(() => void round(), this.#intervalMs)
  }

  /** A last time, with those that are left. */
  async stop(files: readonly Syncable[]): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (this.#isInterval) await this.#all(files)
  }

  /** One that is not written to any more. */
  leave(file: Syncable): void {
    if (this.#isInterval) void this.#one(file)
  }

  async #all(files: readonly Syncable[]): Promise<void> {
    for (const file of files) await this.#one(file)
  }

  async #one(file: Syncable): Promise<void> {
    const error = await file.syncBeside()
    if ((error !== null) === this.#fails) return
    this.#fails = error !== null
    if (error === null) this.#host?.log('info', {}, 'the recording is forced to the disk again')
    else
      this.#host?.log(
        'warn',
        { why: errnoOf(error) ?? error.message },
        'the recording cannot be forced to the disk: a power failure may cost what was written',
      )
  }
}
