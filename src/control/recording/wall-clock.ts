/**
 * The time of day with the resolution of the monotonic clock: packets a few microseconds apart stay apart. The
 * system's clock may be set while we run, so the two are compared now and then.
 */

import { performance } from 'node:perf_hooks'

/** Further apart, the system's clock was set, not just read between two ticks, ms. */
const TOLERANCE_MS = 5

export class WallClock {
  #originMs = performance.timeOrigin

  /** Milliseconds since 1970, with fractions. */
  now(): number {
    return this.#originMs + performance.now()
  }

  /** Follows the system's clock if it was set. To be called once in a while. */
  adjust(): void {
    const behindMs = Date.now() - this.now()
    if (Math.abs(behindMs) > TOLERANCE_MS) this.#originMs += behindMs
  }
}
