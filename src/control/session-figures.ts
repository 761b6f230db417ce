/** What is counted and timed of one session. Times are ms since it was accepted, by `performance.now()` of this thread. */

import type { ConnectionTimes } from '../core/session/record.js'

type Wait = 'queued' | 'woke'

export class SessionFigures {
  readonly #acceptedAt: number
  /** Endpoints dialled. */
  attempts = 0
  #routedMs: number | null = null
  #dialledMs: number | null = null
  #queuedMs: number | null = null
  #wokeMs: number | null = null
  /** The wait that it is in, and since when. */
  #waitsFor: Wait | null = null
  #waitsSince = 0
  #endedAfterMs: number | null = null

  constructor(acceptedAt: number) {
    this.#acceptedAt = acceptedAt
  }

  get age(): number {
    return this.#endedAfterMs ?? performance.now() - this.#acceptedAt
  }

  /** It is over, though why is still to be found out. */
  ended(): void {
    this.#endedAfterMs ??= this.age
  }

  routed(): void {
    this.#routedMs ??= this.age
  }

  /** It waits, for a place (`queued`) or for a service (`woke`). */
  waits(wait: Wait): void {
    if (this.#waitsFor === wait) return
    this.waitsNoMore()
    this.#waitsFor = wait
    this.#waitsSince = this.age
  }

  waitsNoMore(): void {
    const wait = this.#waitsFor
    if (wait === null) return
    this.#waitsFor = null
    const ms = this.age - this.#waitsSince
    if (wait === 'queued') this.#queuedMs = (this.#queuedMs ?? 0) + ms
    else this.#wokeMs = (this.#wokeMs ?? 0) + ms
  }

  reached(): void {
    this.waitsNoMore()
    this.#dialledMs = this.age - (this.#routedMs ?? 0)
  }

  /** It is over. */
  times(): ConnectionTimes {
    this.waitsNoMore()
    return {
      routed: this.#routedMs,
      queued: this.#queuedMs,
      woke: this.#wokeMs,
      dialled: this.#dialledMs,
      total: this.age,
    }
  }
}
