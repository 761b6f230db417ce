/**
 * The two inactivity timeouts of a link on the engine's timer wheel. Movement only notes the turn's time; the timer
 * looks at it when it fires, and is set anew for what is left.
 */

import { Inactivity, type InactivityLimits, type InactivityReason } from '../shared/inactivity.js'
import type { Reactor } from './reactor.js'
import { Timer } from './timers.js'

/** Who is told that a timeout is over. */
export interface ClockHost {
  expired(reason: InactivityReason): void
}

export class LinkClock extends Timer {
  readonly #reactor: Reactor
  readonly #host: ClockHost
  readonly #inactivity: Inactivity
  readonly #isLimited: boolean
  #isStopped = false

  constructor(reactor: Reactor, limits: InactivityLimits, host: ClockHost) {
    super()
    this.#reactor = reactor
    this.#host = host
    this.#inactivity = new Inactivity(limits, performance.now())
    this.#isLimited = limits.idleTimeoutMs > 0 || limits.halfCloseTimeoutMs > 0
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
    this.#reactor.timers.clear(this)
  }

  override fire(): void {
    const reason = this.#inactivity.expired(performance.now())
    if (reason === null) this.#arm()
    else this.#host.expired(reason)
  }

  #arm(): void {
    if (!this.#isLimited || this.#isStopped) return
    const deadline = this.#inactivity.deadlineMs
    if (deadline === Number.POSITIVE_INFINITY) this.#reactor.timers.clear(this)
    else this.#reactor.timers.set(this, deadline)
  }
}
