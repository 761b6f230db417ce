/**
 * The two inactivity timeouts of a link. Movement only notes the time; the one timer looks at it when it fires, and
 * is set anew for what is left, so a chunk costs no timer work.
 */

export interface LinkClockOptions {
  /** 0: never. */
  readonly idleTimeoutMs: number
  /** 0: never. */
  readonly halfCloseTimeoutMs: number
  /** Bytes waiting to be written, both directions. When it has changed, a slow reader is draining: that is movement. */
  readonly queued: () => number
  readonly onExpired: (reason: 'idle_timeout' | 'half_close_timeout') => void
}

/** setTimeout takes no more (about 24 days); a longer wait is made of several. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

export class LinkClock {
  readonly #options: LinkClockOptions
  #timer: NodeJS.Timeout | undefined
  #movedAt = performance.now()
  #halfClosedAt: number | null = null
  #heldAt: number | null = null
  #queuedBefore = 0

  constructor(options: LinkClockOptions) {
    this.#options = options
    this.#arm()
  }

  moved(): void {
    this.#movedAt = performance.now()
  }

  halfClosed(): void {
    this.#halfClosedAt ??= performance.now()
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
    clearTimeout(this.#timer)
  }

  #idleDeadline(): number {
    const { idleTimeoutMs } = this.#options
    return idleTimeoutMs > 0 ? this.#movedAt + idleTimeoutMs : Number.POSITIVE_INFINITY
  }

  #halfCloseDeadline(): number {
    const { halfCloseTimeoutMs } = this.#options
    if (halfCloseTimeoutMs <= 0 || this.#halfClosedAt === null) return Number.POSITIVE_INFINITY
    return Math.max(this.#movedAt, this.#halfClosedAt) + halfCloseTimeoutMs
  }

  #arm(): void {
    clearTimeout(this.#timer)
    if (this.#heldAt !== null) return
    const deadline = Math.min(this.#idleDeadline(), this.#halfCloseDeadline())
    if (deadline === Number.POSITIVE_INFINITY) return
    this.#queuedBefore = this.#options.queued()
    const wait = Math.max(1, Math.ceil(deadline - performance.now()))
    this.#timer = setTimeout(() => this.#fired(), Math.min(wait, LONGEST_TIMER_MS))
  }

  #fired(): void {
    const now = performance.now()
    if (this.#options.queued() !== this.#queuedBefore) this.#movedAt = now
    if (now >= this.#halfCloseDeadline()) this.#options.onExpired('half_close_timeout')
    else if (now >= this.#idleDeadline()) this.#options.onExpired('idle_timeout')
    else this.#arm()
  }
}
