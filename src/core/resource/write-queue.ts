/**
 * Puts writes in order: whatever the order in which they arrive, they are done strictly by index, one at a time.
 *
 *     addItem ─▶ door (full: the caller's promise waits) ─▶ waiting ─▶ the one write under way
 *
 * - bounded: at most `maxItems` wait inside; of whoever is at the door only a promise waits. The item that is next in turn is
 *   always let in, so a full queue cannot stand in its own way
 * - an index that never comes does not hang it for ever: when the queue is full and can do nothing else, the indices that are
 *   missing are given up (`index_missing`), and the lowest that is here is next
 * - a write that throws or rejects is reported and counted; the next one goes on
 */

import { TidegateError } from '../../errors.js'
import { isThenable, type WriteContext, type WriteFunction } from './write-function.js'

/** A thousand chunks are 64 MiB at most, and far more than sources that run side by side are ever out of order. */
export const DEFAULT_MAX_ITEMS = 1024

export interface WriteQueueOptions {
  /** How many may wait inside: also the furthest that a missing index is waited for. Default 1024. */
  readonly maxItems?: number
  /** The first index. Default 0, which is what a new `Lock` counts from. */
  readonly firstIndex?: number
  /**
   * What went wrong: a write that threw or rejected, or `index_missing` (a TidegateError) when indices were given up. What it
   * throws itself is ignored.
   */
  readonly onError?: (error: unknown, index: number) => void
}

interface Item {
  readonly index: number
  readonly data: Uint8Array
  readonly write: WriteFunction
  readonly context: WriteContext
}

interface Guest {
  readonly item: Item
  readonly admit: () => void
}

/** Whoever waits until all up to this index is written. */
interface Drain {
  readonly upTo: number
  readonly resolve: () => void
}

const ADMITTED = Promise.resolve()

const misuse = (message: string): TidegateError => new TidegateError('misuse', message, { fault: 'hook' })

export class WriteQueue {
  readonly #options: WriteQueueOptions
  readonly #maxItems: number
  /** By index. */
  readonly #waiting = new Map<number, Item>()
  /** By index, in order of arrival. */
  readonly #door = new Map<number, Guest>()
  #next: number
  #failures = 0
  /** A write is under way, or the loop that does them is running. */
  #isBusy = false
  #drains: Drain[] = []

  /** @throws TidegateError `value_invalid` */
  constructor(options: WriteQueueOptions = {}) {
    const { maxItems = DEFAULT_MAX_ITEMS, firstIndex = 0 } = options
    if (!Number.isSafeInteger(maxItems) || maxItems < 1)
      throw new TidegateError('value_invalid', `maxItems is ${maxItems}: expected a whole number from 1`, {
        fault: 'usage',
        where: 'maxItems',
      })
    if (!Number.isSafeInteger(firstIndex) || firstIndex < 0)
      throw new TidegateError(
        'value_invalid',
        `firstIndex is ${firstIndex}: expected a whole number from 0`,
        {
          fault: 'usage',
          where: 'firstIndex',
        },
      )
    this.#options = options
    this.#maxItems = maxItems
    this.#next = firstIndex
  }

  /** The index whose turn is next. */
  get currentIndex(): number {
    return this.#next
  }

  /** Inside, the one under way not counted. At most `maxItems`, and the one that is next. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Writes that threw or rejected so far. */
  get failures(): number {
    return this.#failures
  }

  /**
   * Has `write(data, context)` called when it is this index's turn. Resolves when it is inside (at once, unless the queue is full),
   * not when it is written: see {@link drain}. Whoever awaits it keeps its memory bounded.
   * @throws TidegateError (rejects) `misuse`: the index is no whole number, or is here already; `index_missing`: its turn is over, since it
   * was done before or has been given up.
   */
  addItem(data: Uint8Array, index: number, write: WriteFunction, context: WriteContext): Promise<void> {
    if (!Number.isSafeInteger(index) || index < 0)
      return Promise.reject(misuse(`the index ${index} is no whole number from 0`))
    if (index < this.#next)
      return Promise.reject(
        new TidegateError('index_missing', `index ${index} comes too late: ${this.#next} is next`, {
          fault: 'hook',
        }),
      )
    if (this.#waiting.has(index) || this.#door.has(index))
      return Promise.reject(misuse(`index ${index} is in the queue already`))
    const item = { index, data, write, context }
    if (index === this.#next || this.#waiting.size < this.#maxItems) {
      this.#waiting.set(index, item)
      this.#work()
      return ADMITTED
    }
    const admitted = new Promise<void>((resolve) => {
      this.#door.set(index, { item, admit: resolve })
    })
    this.#work()
    return admitted
  }

  /**
   * Resolves when all that has come so far, also to the door, is written, whatever comes after it. Indices that are missing by then are given up: so nobody
   * should be about to add an earlier one.
   */
  drain(): Promise<void> {
    if (this.#isIdle) return Promise.resolve()
    const drained = new Promise<void>((resolve) => {
      this.#drains.push({ upTo: this.#highest, resolve })
    })
    this.#work()
    return drained
  }

  get #isIdle(): boolean {
    return !this.#isBusy && this.#waiting.size === 0 && this.#door.size === 0
  }

  /** Does all that can be done now. Writes may call back into the queue, so it does not nest. */
  #work(): void {
    if (this.#isBusy) return
    this.#isBusy = true
    for (let item = this.#goOn(); item !== undefined; item = this.#goOn()) {
      const pending = this.#write(item)
      if (pending === null) continue
      const resume = (): void => {
        this.#isBusy = false
        this.#work()
      }
      pending.then(resume, (error: unknown) => {
        this.#failed(error, item.index)
        resume()
      })
      return
    }
    this.#isBusy = false
  }

  /** All before the next are written. */
  #goOn(): Item | undefined {
    if (this.#drains.length > 0) {
      for (const { upTo, resolve } of this.#drains) if (upTo < this.#next) resolve()
      this.#drains = this.#drains.filter(({ upTo }) => upTo >= this.#next)
    }
    return this.#take()
  }

  /** Of all that are here, the one under way included. */
  get #highest(): number {
    let highest = this.#next - 1
    for (const index of this.#waiting.keys()) highest = Math.max(highest, index)
    for (const index of this.#door.keys()) highest = Math.max(highest, index)
    return highest
  }

  /** Null: it is done. */
  #write({ data, context, write, index }: Item): Promise<unknown> | null {
    try {
      const written = write(data, context)
      return isThenable(written) ? Promise.resolve(written) : null
    } catch (error) {
      this.#failed(error, index)
      return null
    }
  }

  #take(): Item | undefined {
    if (!this.#isNextHere && this.#mustGoOn) this.#giveUpMissing()
    this.#letIn(this.#next)
    const item = this.#waiting.get(this.#next)
    if (item === undefined) return undefined
    this.#waiting.delete(this.#next)
    this.#next += 1
    for (const index of this.#door.keys()) {
      if (this.#waiting.size >= this.#maxItems) break
      this.#letIn(index)
    }
    return item
  }

  get #isNextHere(): boolean {
    return this.#waiting.has(this.#next) || this.#door.has(this.#next)
  }

  /** Somebody waits for what is here, and it waits for what is not. */
  get #mustGoOn(): boolean {
    return this.#door.size > 0 || (this.#drains.length > 0 && this.#waiting.size > 0)
  }

  #letIn(index: number): void {
    const guest = this.#door.get(index)
    if (guest === undefined) return
    this.#door.delete(index)
    this.#waiting.set(index, guest.item)
    guest.admit()
  }

  #giveUpMissing(): void {
    const from = this.#next
    let lowest = Number.POSITIVE_INFINITY
    for (const index of this.#waiting.keys()) lowest = Math.min(lowest, index)
    for (const index of this.#door.keys()) lowest = Math.min(lowest, index)
    this.#next = lowest
    const missing = lowest - 1 === from ? `index ${from}` : `indices ${from} to ${lowest - 1}`
    const message = `${missing} never came: ${this.#waiting.size + this.#door.size} later ones waited`
    this.#report(new TidegateError('index_missing', message, { fault: 'hook' }), from)
  }

  #failed(error: unknown, index: number): void {
    this.#failures += 1
    this.#report(error, index)
  }

  #report(error: unknown, index: number): void {
    try {
      this.#options.onError?.(error, index)
    } catch {
      // A reporter that fails has nobody to report to.
    }
  }
}
