/**
 * A trouble that people are told of when it begins and when it is over. One that comes back within {@link QUIET_MS} is
 * still the same: a disk that is nearly full takes a small write and refuses the next, many times a second.
 */

/** Shorter than anybody reads, longer than any flutter. */
export const QUIET_MS = 1000

export class Episode {
  #current: { readonly lostBefore: number; lastMs: number } | null = null

  get isOn(): boolean {
    return this.#current !== null
  }

  /** The trouble is there. True when that is news. `lostBytes`: lost in all before it. */
  comes(nowMs: number, lostBytes: number): boolean {
    const isNew = this.#current === null
    if (this.#current === null) this.#current = { lostBefore: lostBytes, lastMs: nowMs }
    else this.#current.lastMs = nowMs
    return isNew
  }

  /** The trouble is not there just now. What was lost meanwhile, when that is the end of it; else null. */
  goes(nowMs: number, lostBytes: number): number | null {
    if (this.#current === null || nowMs - this.#current.lastMs < QUIET_MS) return null
    const lost = lostBytes - this.#current.lostBefore
    this.#current = null
    return lost
  }
}
