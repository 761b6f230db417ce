/**
 * A lock: what the connections of one address share. It counts who uses it (`addRelease`, `release`), gives out the indices of their
 * frames (`increaseGetIndex`), carries one value (`other`, set once), and can be held by one owner at a time (`acquire`).
 *
 * An owner keeps it until it lets go itself, however long that takes; and only the owner can, since what unlocks is a function that
 * nobody else has.
 */

import { TidegateError } from '../../errors.js'

/** Lets go of a lock. Only the first call counts. */
export type Unlock = () => void

const misuse = (message: string): TidegateError => new TidegateError('misuse', message, { fault: 'hook' })

export class Lock {
  #index = 0
  #users = 0
  #other: unknown
  #isLocked = false
  #isReclaimed = false
  readonly #queue: (() => void)[] = []

  /** The next index to be given out. */
  getIndex(): number {
    return this.#index
  }

  /** Gives out an index: 0, 1, 2, … */
  increaseGetIndex(): number {
    const index = this.#index
    this.#index += 1
    return index
  }

  /** The value that was attached, or undefined. */
  get other(): unknown {
    return this.#other
  }

  /** Attaches a value, once. @throws TidegateError `misuse`: there is one, or `undefined` was given. */
  updateOther(value: unknown): void {
    if (this.#other !== undefined) throw misuse('the lock has a value already')
    if (value === undefined) throw misuse('undefined is no value for a lock')
    this.#other = value
  }

  /** How many use it. */
  get users(): number {
    return this.#users
  }

  /** One more uses it, until {@link release}. @throws TidegateError `misuse`: it was reclaimed; ask its group again. */
  addRelease(): void {
    if (this.#isReclaimed) throw misuse('the lock has been reclaimed: get it anew from its group')
    this.#users += 1
  }

  /** As many use it no longer. @throws TidegateError `misuse`: not that many do. */
  release(count = 1): void {
    if (!Number.isSafeInteger(count) || count < 0 || count > this.#users)
      throw misuse(`${count} cannot be released: ${this.#users} use the lock`)
    this.#users -= count
  }

  get isLocked(): boolean {
    return this.#isLocked
  }

  /** Nobody uses it, holds it, or waits for it. */
  canRelease(): boolean {
    return this.#users === 0 && !this.#isLocked
  }

  /** Resolves when it is the caller's alone, first come, first served. */
  async acquire(): Promise<Unlock> {
    if (this.#isReclaimed) throw misuse('the lock has been reclaimed: get it anew from its group')
    if (this.#isLocked)
      await new Promise<void>((resolve) => {
        this.#queue.push(resolve)
      })
    this.#isLocked = true
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      this.#passOn()
    }
  }

  /** Does `work` while nobody else holds the lock. */
  async run<T>(work: () => T | PromiseLike<T>): Promise<T> {
    const unlock = await this.acquire()
    try {
      return await work()
    } finally {
      unlock()
    }
  }

  /** Takes it out of use if it {@link canRelease}; whoever still has it cannot use it then. For groups. */
  reclaim(): boolean {
    if (!this.canRelease()) return false
    this.#isReclaimed = true
    return true
  }

  #passOn(): void {
    const next = this.#queue.shift()
    // It stays locked on the way to the next: nobody comes in between.
    if (next === undefined) this.#isLocked = false
    else next()
  }
}
