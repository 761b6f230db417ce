/** Node's time, for pools. */

import type { Clock } from '../core/pool/clock.js'

/** Node's timers hold a signed 32-bit count of milliseconds, and fire at once beyond it. */
const LONGEST_MS = 2 ** 31 - 1

export const nodeClock: Clock = {
  now: () => performance.now(),
  after(delayMs, run, isBackground = false) {
    // Rounded up: Node cuts fractions off, and what comes due early would only be set again.
    const timer = setTimeout(run, Math.min(Math.ceil(delayMs), LONGEST_MS))
    if (isBackground) timer.unref()
    return () => clearTimeout(timer)
  },
}
