/**
 * What a plane does when descriptors are short: it closes idle connections of its own, and asks the other planes for theirs.
 *
 * At the limit an engine is short with each descriptor that becomes free. Asking costs a message to every plane, so it is done
 * only while somebody has idle connections, and not again before they have closed some, or had the time to.
 */

/** As many as four clients need: who is closed without need has to be dialled again. */
export const EVICTED_AT_A_TIME = 8

/** As often as an engine that is short looks again by itself. */
export const ASK_AGAIN_MS = 100

export interface ShortageHost {
  /** Closes up to `count` idle connections of this plane. Returns how many were. */
  evictIdle(count: number): number
  /** How many idle connections the other planes have. */
  idleElsewhere(): number
  /** The other planes are to close so many. */
  ask(missing: number): void
  /** ms. */
  now(): number
}

export class Shortage {
  readonly #host: ShortageHost
  #lookedAt = Number.NEGATIVE_INFINITY
  /** What the others had then. */
  #idle = 0

  constructor(host: ShortageHost) {
    this.#host = host
  }

  /** The engine is short. */
  met(): void {
    const evicted = this.#host.evictIdle(EVICTED_AT_A_TIME)
    if (evicted < EVICTED_AT_A_TIME && this.#isWorthAsking()) this.#host.ask(EVICTED_AT_A_TIME - evicted)
  }

  #isWorthAsking(): boolean {
    const now = this.#host.now()
    const isSoon = now - this.#lookedAt < ASK_AGAIN_MS
    // Adding up what all have takes a while, too.
    if (isSoon && this.#idle === 0) return false
    const idle = this.#host.idleElsewhere()
    if (isSoon && idle >= this.#idle) return false
    this.#lookedAt = now
    this.#idle = idle
    return idle > 0
  }
}
