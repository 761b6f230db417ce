/**
 * When a link has been inactive for too long: the two timeouts as plain arithmetic. An engine brings the time and whatever
 * timer it has; the time for which a link is held does not count.
 */

export type InactivityReason = 'idle_timeout' | 'half_close_timeout'

export interface InactivityLimits {
  /** 0: never. */
  readonly idleTimeoutMs: number
  /** 0: never. */
  readonly halfCloseTimeoutMs: number
}

export class Inactivity {
  readonly #idleMs: number
  readonly #halfCloseMs: number
  #movedAt: number
  #halfClosedAt: number | null = null
  #heldAt: number | null = null

  constructor({ idleTimeoutMs, halfCloseTimeoutMs }: InactivityLimits, nowMs: number) {
    this.#idleMs = idleTimeoutMs
    this.#halfCloseMs = halfCloseTimeoutMs
    this.#movedAt = nowMs
  }

  moved(nowMs: number): void {
    this.#movedAt = nowMs
  }

  halfClosed(nowMs: number): void {
    this.#halfClosedAt ??= nowMs
  }

  hold(nowMs: number): void {
    this.#heldAt ??= nowMs
  }

  /** False when it was not held. */
  release(nowMs: number): boolean {
    if (this.#heldAt === null) return false
    const heldMs = nowMs - this.#heldAt
    this.#heldAt = null
    this.#movedAt += heldMs
    if (this.#halfClosedAt !== null) this.#halfClosedAt += heldMs
    return true
  }

  /** When to look again; infinite while there is no limit, or it is held. */
  get deadlineMs(): number {
    if (this.#heldAt !== null) return Number.POSITIVE_INFINITY
    return Math.min(this.#idleDeadline(), this.#halfCloseDeadline())
  }

  /** The timeout that is over, if one is. */
  expired(nowMs: number): InactivityReason | null {
    if (nowMs >= this.#halfCloseDeadline()) return 'half_close_timeout'
    return nowMs >= this.#idleDeadline() ? 'idle_timeout' : null
  }

  #idleDeadline(): number {
    return this.#idleMs > 0 ? this.#movedAt + this.#idleMs : Number.POSITIVE_INFINITY
  }

  #halfCloseDeadline(): number {
    if (this.#halfCloseMs <= 0 || this.#halfClosedAt === null) return Number.POSITIVE_INFINITY
    return Math.max(this.#movedAt, this.#halfClosedAt) + this.#halfCloseMs
  }
}
