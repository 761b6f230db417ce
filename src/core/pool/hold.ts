/** A pause that ends by itself, or is ended. */

import type { Cancel, Clock } from './clock.js'

export class Hold {
  readonly #clock: Clock
  readonly #onOver: () => void
  #cancel: Cancel | null = null

  /** `onOver`: it has ended by itself. */
  constructor(clock: Clock, onOver: () => void) {
    this.#clock = clock
    this.#onOver = onOver
  }

  get isOn(): boolean {
    return this.#cancel !== null
  }

  /** Begins, or begins anew. */
  begin(delayMs: number): void {
    this.#cancel?.()
    const over = (): void => {
      this.#cancel = null
      this.#onOver()
    }
    this.#cancel = this.#clock.after(delayMs, over, true)
  }

  end(): void {
    this.#cancel?.()
    this.#cancel = null
  }
}
