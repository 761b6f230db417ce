/** How long to wait before the next attempt: twice as long after each failure, from the start after a success. */

export const FIRST_BACKOFF_MS = 100
/** An upstream that was down for long is noticed within half a minute of its return; nobody asks more often. */
export const LONGEST_BACKOFF_MS = 30_000
/** A success that lasts less than this was none: a server may accept only to hang up. */
export const PROVEN_MS = 1000

export class Backoff {
  #delayMs = 0
  /** What a success that does not last goes back to. */
  #before = { delayMs: 0, untilMs: 0 }

  get isFailing(): boolean {
    return this.#delayMs > 0
  }

  /** The wait from now on, ms. */
  fail(): number {
    this.#delayMs = this.#delayMs === 0 ? FIRST_BACKOFF_MS : Math.min(this.#delayMs * 2, LONGEST_BACKOFF_MS)
    return this.#delayMs
  }

  /** The last success did not last. The wait from now on, ms. */
  relapse(nowMs: number): number {
    if (nowMs < this.#before.untilMs) this.#delayMs = Math.max(this.#delayMs, this.#before.delayMs)
    return this.fail()
  }

  succeed(nowMs: number): void {
    if (this.#delayMs === 0) return
    this.#before = { delayMs: this.#delayMs, untilMs: nowMs + PROVEN_MS }
    this.#delayMs = 0
  }
}
