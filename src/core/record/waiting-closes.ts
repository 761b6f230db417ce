/**
 * Connections that have ended, and whose close could not be written: it is once the sink works again, the oldest first. Those that the
 * sink has refused while it took others' are not in the way of these. Of more than memory is to hold, the oldest is given up.
 */

import { count, FIGURE } from './counters.js'
import type { ConnectionTrack } from './track.js'

/** Default of `RecorderOptions.maxWaitingCloses`. */
export const MAX_WAITING_CLOSES = 4096

export class WaitingCloses {
  /** Oldest first. */
  readonly #due = new Set<ConnectionTrack>()
  /** They are due when somebody asks for it. Oldest first. */
  readonly #refused = new Set<ConnectionTrack>()
  readonly #figures: Float64Array
  readonly #most: number
  readonly #giveUp: (connection: ConnectionTrack) => void

  constructor(figures: Float64Array, most: number, giveUp: (connection: ConnectionTrack) => void) {
    this.#figures = figures
    this.#most = most
    this.#giveUp = giveUp
  }

  get size(): number {
    return this.#due.size + this.#refused.size
  }

  /** Without those that were refused. */
  get due(): number {
    return this.#due.size
  }

  add(connection: ConnectionTrack): void {
    this.#add(this.#due, connection)
  }

  addRefused(connection: ConnectionTrack): void {
    this.#add(this.#refused, connection)
  }

  get refused(): number {
    return this.#refused.size
  }

  /** Has `write` write those that are due and of which nothing else is unsettled, until it is false: there is no room. */
  retry(write: (connection: ConnectionTrack) => boolean): void {
    for (const connection of this.#due) {
      if (connection.unsettled > 0) continue
      if (!write(connection)) return
      this.#due.delete(connection)
      this.#count()
    }
  }

  retryRefused(): void {
    for (const connection of this.#refused) this.#due.add(connection)
    this.#refused.clear()
  }

  #add(to: Set<ConnectionTrack>, connection: ConnectionTrack): void {
    to.add(connection)
    if (this.size > this.#most) this.#giveUpOldest()
    this.#count()
  }

  #giveUpOldest(): void {
    const from = this.#refused.size > 0 ? this.#refused : this.#due
    const [oldest] = from
    if (oldest === undefined) return
    from.delete(oldest)
    this.#giveUp(oldest)
    count(this.#figures, FIGURE.unclosed, 1)
  }

  #count(): void {
    this.#figures[FIGURE.waitingCloses] = this.size
  }
}
