/**
 * The two inactivity timeouts of a link on the engine's timer wheel. Movement only notes the turn's time; the timer
 * looks at it when it fires, and is set anew for what is left.
 */

import type { LinkOptions } from '../../ports/engine.js'
import type { Reactor } from './reactor.js'
import { Timer } from './timers.js'

export class LinkClock {
  readonly #reactor: Reactor
  readonly #idleMs: number
  readonly #halfCloseMs: number
  readonly #onExpired: (reason: 'idle_timeout' | 'half_close_timeout') => void
  readonly #timer: Timer | null
  #movedAt = performance.now()
  #halfClosedAt: number | null = null
  #heldAt: number | null = null
  #isStopped = false

  constructor(
    reactor: Reactor,
    options: LinkOptions,
    onExpired: (reason: 'idle_timeout' | 'half_close_timeout') => void,
  ) {
    this.#reactor = reactor
    this.#idleMs = options.idleTimeoutMs
    this.#halfCloseMs = options.halfCloseTimeoutMs
    this.#onExpired = onExpired
    this.#timer = this.#idleMs > 0 || this.#halfCloseMs > 0 ? new Timer(() => this.#fired()) : null
    this.#arm()
  }

  moved(): void {
    this.#movedAt = this.#reactor.now
  }

  halfClosed(): void {
    this.#halfClosedAt ??= this.#reactor.now
    this.#arm()
  }

  /** The time until `release` does not count. */
  hold(): void {
    this.#heldAt ??= performance.now()
    this.#arm()
  }

  release(): void {
    if (this.#heldAt === null) return
    const held = performance.now() - this.#heldAt
    this.#heldAt = null
    this.#movedAt += held
    if (this.#halfClosedAt !== null) this.#halfClosedAt += held
    this.#arm()
  }

  stop(): void {
    this.#isStopped = true
    if (this.#timer !== null) this.#reactor.timers.clear(this.#timer)
  }

  #idleDeadline(): number {
    return this.#idleMs > 0 ? this.#movedAt + this.#idleMs : Number.POSITIVE_INFINITY
  }

  #halfCloseDeadline(): number {
    if (this.#halfCloseMs <= 0 || this.#halfClosedAt === null) return Number.POSITIVE_INFINITY
    return Math.max(this.#movedAt, this.#halfClosedAt) + this.#halfCloseMs
  }

  #arm(): void {
    if (this.#timer === null || this.#isStopped) return
    const deadline = Math.min(this.#idleDeadline(), this.#halfCloseDeadline())
    if (this.#heldAt !== null || deadline === Number.POSITIVE_INFINITY)
      this.#reactor.timers.clear(this.#timer)
    else this.#reactor.timers.set(this.#timer, deadline)
  }

  #fired(): void {
    const now = performance.now()
    if (now >= this.#halfCloseDeadline()) this.#onExpired('half_close_timeout')
    else if (now >= this.#idleDeadline()) this.#onExpired('idle_timeout')
    else this.#arm()
  }
}
