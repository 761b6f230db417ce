/**
 * The dials of one pool that are under way, and the rule that keeps those ahead of need from becoming a loop.
 *
 * - ahead: dialled before anybody asks
 * - held: no dial ahead now, because the last one failed, or because idle connections were closed for want of room
 * - probe: the one dial ahead after a failure; the others follow its success
 */

import { Backoff, PROVEN_MS } from './backoff.js'
import type { Cancel, Clock } from './clock.js'
import { Hold } from './hold.js'

/** Long enough for what needed the room to take it, short enough that the next lull finds connections ready. */
export const SHORTAGE_MS = 1000

/** Both null: given up, and nobody's fault. */
export type DialDone<T> = (error: unknown, conn: T | null) => void

export interface DialsOwner<T> {
  /** Starts connecting. `done` is called once, unless the returned function was called before. */
  dial(done: DialDone<T>): Cancel
  done(error: unknown, conn: T | null): void
  /** Dials ahead may be made again. */
  resumed(): void
}

export class Dials<T> {
  readonly #clock: Clock
  readonly #owner: DialsOwner<T>
  readonly #backoff = new Backoff()
  readonly #cancels = new Set<Cancel>()
  readonly #failure: Hold
  readonly #shortage: Hold
  #lastError: unknown = null

  constructor(clock: Clock, owner: DialsOwner<T>) {
    this.#clock = clock
    this.#owner = owner
    this.#failure = new Hold(clock, () => owner.resumed())
    this.#shortage = new Hold(clock, () => owner.resumed())
  }

  get size(): number {
    return this.#cancels.size
  }

  /** What the last dial failed with; null once one has succeeded. */
  get lastError(): unknown {
    return this.#lastError
  }

  /** How many of `missing` to dial ahead now. */
  ahead(missing: number): number {
    if (this.#failure.isOn || this.#shortage.isOn) return 0
    return this.#backoff.isFailing ? Math.min(1, missing) : missing
  }

  start(): void {
    let cancelDial: Cancel | null = null
    const cancel: Cancel = () => {
      if (this.#cancels.delete(cancel)) cancelDial?.()
    }
    const done: DialDone<T> = (error, conn) => {
      if (!this.#cancels.delete(cancel)) return
      if (conn !== null) this.#succeeded()
      else if (error !== null) this.#failed(error)
      this.#owner.done(error, conn)
    }
    this.#cancels.add(cancel)
    try {
      cancelDial = this.#owner.dial(done)
    } catch (thrown) {
      done(thrown, null)
    }
  }

  /** Cancels all but as many as are asked for, the latest first. */
  cancelAllBut(wanted: number): void {
    for (const cancel of [...this.#cancels].slice(wanted).reverse()) cancel()
  }

  /** A connection died before its first use. One that lived for less than a second counts as a dial that failed. */
  diedUnused(ageMs: number): void {
    if (ageMs < PROVEN_MS && !this.#failure.isOn)
      this.#failure.begin(this.#backoff.relapse(this.#clock.now()))
  }

  /** There is no room for what nobody has asked for: nothing is dialled ahead for a while, or until `resume`. */
  shortage(): void {
    this.#shortage.begin(SHORTAGE_MS)
  }

  resume(): void {
    this.#shortage.end()
  }

  /** Cancels every dial and pause. */
  stop(): void {
    this.cancelAllBut(0)
    this.#failure.end()
    this.#shortage.end()
  }

  #succeeded(): void {
    this.#lastError = null
    this.#backoff.succeed(this.#clock.now())
    this.#failure.end()
  }

  #failed(error: unknown): void {
    this.#lastError = error
    // Several that fail together are one failure.
    if (!this.#failure.isOn) this.#failure.begin(this.#backoff.fail())
  }
}
