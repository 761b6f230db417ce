/**
 * The two inactivity timeouts of a link on the engine's timer wheel. Movement only notes the turn's time; the timer
 * looks at it when it fires, and is set anew for what is left.
 */

import { Inactivity, type InactivityLimits, type InactivityReason } from '../shared/inactivity.js'
import type { Reactor } from './reactor.js'
import { Timer } from './timers.js'

export class LinkClock {
  readonly #reactor: Reactor
  readonly #inactivity: Inactivity
  readonly #onExpired: (reason: InactivityReason) => void
  readonly #timer: Timer | null
  #isStopped = false

  constructor(reactor: Reactor, limits: InactivityLimits, onExpired: (reason: InactivityReason) => void) {
    this.#reactor = reactor
    this.#inactivity = new Inactivity(limits, performance.now())
    this.#onExpired = onExpired
    const isLimited = limits.idleTimeoutMs > 0 || limits.halfCloseTimeoutMs > 0
    this.#timer = isLimited ? new Timer(() => this.#fired()) : null
    this.#arm()
  }

  moved(): void {
    this.#inactivity.moved(this.#reactor.now)
  }

  halfClosed(): void {
    this.#inactivity.halfClosed(this.#reactor.now)
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
    this.#isStopped = true
    if (this.#timer !== null) this.#reactor.timers.clear(this.#timer)
  }

  #arm(): void {
    if (this.#timer === null || this.#isStopped) return
    const deadline = this.#inactivity.deadlineMs
    if (deadline === Number.POSITIVE_INFINITY) this.#reactor.timers.clear(this.#timer)
    else this.#reactor.timers.set(this.#timer, deadline)
  }

  #fired(): void {
    const reason = this.#inactivity.expired(performance.now())
    if (reason === null) this.#arm()
    else this.#onExpired(reason)
  }
}
