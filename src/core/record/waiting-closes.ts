/**
 * Connections that have ended, and whose close could not be written: it is once the sink works again, the oldest first. Of more than
 * memory is to hold, the oldest is given up.
 */

import { count, FIGURE } from './counters.js'
import type { ConnectionTrack } from './track.js'

/** Default of `RecorderOptions.maxWaitingCloses`. */
export const MAX_WAITING_CLOSES = 4096

export class WaitingCloses {
  /** Oldest first. */
  readonly #waiting = new Set<ConnectionTrack>()
  readonly #figures: Float64Array
  readonly #most: number
  readonly #giveUp: (connection: ConnectionTrack) => void

  constructor(figures: Float64Array, most: number, giveUp: (connection: ConnectionTrack) => void) {
    this.#figures = figures
    this.#most = most
    this.#giveUp = giveUp
  }

  get size(): number {
    return this.#waiting.size
  }

  add(connection: ConnectionTrack): void {
    this.#waiting.add(connection)
    if (this.#waiting.size > this.#most) this.#giveUpOldest()
    this.#count()
  }

  /** Has `write` write those of which nothing else is unsettled, until it is false: there is no room. */
  retry(write: (connection: ConnectionTrack) => boolean): void {
    for (const connection of this.#waiting) {
      if (connection.unsettled > 0) continue
      if (!write(connection)) return
      this.#waiting.delete(connection)
      this.#count()
    }
  }

  #giveUpOldest(): void {
    const [oldest] = this.#waiting
    if (oldest === undefined) return
    this.#waiting.delete(oldest)
    this.#giveUp(oldest)
    count(this.#figures, FIGURE.unclosed, 1)
  }

  #count(): void {
    this.#figures[FIGURE.waitingCloses] = this.#waiting.size
  }
}
