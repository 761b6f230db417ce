/** Wakes whoever waits for something to have changed. One waits at a time; a ring that nobody hears is kept for the next. */

import type { Clock } from '../../core/pool/clock.js'

export class Bell {
  readonly #clock: Clock
  #rung = false
  #wake: (() => void) | null = null

  constructor(clock: Clock) {
    this.#clock = clock
  }

  ring(): void {
    this.#rung = true
    this.#wake?.()
  }

  /** Resolves at the next ring, or when `withinMs` is over; true: it rang. */
  async heard(withinMs: number | null = null): Promise<boolean> {
    if (!this.#rung)
      await new Promise<void>((resolve) => {
        const cancel = withinMs === null ? null : this.#clock.after(withinMs, resolve, true)
        this.#wake = () => {
          cancel?.()
          resolve()
        }
      })
    this.#wake = null
    const rung = this.#rung
    this.#rung = false
    return rung
  }
}
