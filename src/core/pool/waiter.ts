/** Somebody who waits for a pool: served once, or gone once, by timeout or by signal. */

import type { TidegateError } from '../../errors.js'
import type { Cancel, Clock } from './clock.js'
import { abortedError } from './errors.js'
import type { ListNode } from './list.js'

export interface WaitOptions {
  /** How long to wait at most, ms; 0: no limit. */
  readonly timeoutMs?: number
  /** Gives up when it is aborted. */
  readonly signal?: AbortSignal
}

export interface WaiterOwner<T> {
  readonly clock: Clock
  /** For messages. */
  readonly what: string
  lateError(timeoutMs: number): TidegateError
  /** It has given up, and is rejected after this. */
  gone(waiter: Waiter<T>): void
}

export class Waiter<T> implements ListNode<Waiter<T>> {
  next: Waiter<T> | null = null
  previous: Waiter<T> | null = null
  readonly promise: Promise<T>
  #resolve: (value: T) => void = () => {}
  #reject: (error: unknown) => void = () => {}
  #isOver = false
  readonly #cancelTimer: Cancel | null
  readonly #signal: AbortSignal | null
  readonly #onAbort: () => void

  /** A signal that is aborted already is the caller's to look at before. */
  constructor(owner: WaiterOwner<T>, { timeoutMs = 0, signal }: WaitOptions) {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    const giveUp = (error: () => TidegateError): void => {
      if (this.#isOver) return
      const why = error()
      owner.gone(this)
      this.reject(why)
    }
    this.#cancelTimer =
      timeoutMs > 0 ? owner.clock.after(timeoutMs, () => giveUp(() => owner.lateError(timeoutMs))) : null
    this.#signal = signal ?? null
    this.#onAbort = () => giveUp(() => abortedError(owner.what, signal?.reason))
    signal?.addEventListener('abort', this.#onAbort)
  }

  resolve(value: T): void {
    if (this.#finish()) this.#resolve(value)
  }

  reject(error: TidegateError): void {
    if (this.#finish()) this.#reject(error)
  }

  #finish(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.#cancelTimer?.()
    this.#signal?.removeEventListener('abort', this.#onAbort)
    return true
  }
}
