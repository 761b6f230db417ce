/**
 * The two inactivity timeouts of a link. Movement only notes the time; the one timer looks at it when it fires, and
 * is set anew for what is left, so a chunk costs no timer work.
 */

import { Inactivity, type InactivityLimits, type InactivityReason } from '../shared/inactivity.js'

export interface LinkClockOptions extends InactivityLimits {
  /** Bytes waiting to be written, both directions. When it has changed, a slow reader is draining: that is movement. */
  readonly queued: () => number
  readonly onExpired: (reason: InactivityReason) => void
}

/** setTimeout takes no more (about 24 days); a longer wait is made of several. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

export class LinkClock {
  readonly #options: LinkClockOptions
  readonly #inactivity: Inactivity
  #timer: NodeJS.Timeout | undefined
  #queuedBefore = 0

  constructor(options: LinkClockOptions) {
    this.#options = options
    this.#inactivity = new Inactivity(options, performance.now())
    this.#arm()
  }

  moved(): void {
    this.#inactivity.moved(performance.now())
  }

  halfClosed(): void {
    this.#inactivity.halfClosed(performance.now())
    this.#arm()
  }

  /** The time until `release` does not count. */
  hold(): void {
    this.#inactivity.hold(performance.now())
    this.#arm()
  }

  release(): void {
    if (this.#inactivity.release(performance.now())) this.#arm()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #arm(): void {
    clearTimeout(this.#timer)
    const deadline = this.#inactivity.deadlineMs
    if (deadline === Number.POSITIVE_INFINITY) return
    this.#queuedBefore = this.#options.queued()
    const wait = Math.max(1, Math.ceil(deadline - performance.now()))
    this.#timer = setTimeout(() => this.#fired(), Math.min(wait, LONGEST_TIMER_MS))
  }

  #fired(): void {
    const now = performance.now()
    if (this.#options.queued() !== this.#queuedBefore) this.#inactivity.moved(now)
    const reason = this.#inactivity.expired(now)
    if (reason === null) this.#arm()
    else this.#options.onExpired(reason)
  }
}
