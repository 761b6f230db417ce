/** What one write of the store still waits for. */

export class Batch {
  #pending = 0
  #resolve: (() => void) | null = null

  begin(): void {
    this.#pending++
  }

  end(): void {
    this.#pending--
    if (this.#pending === 0) this.#resolve?.()
  }

  /** When all that has begun has ended; undefined: it has. */
  finished(): Promise<void> | undefined {
    if (this.#pending === 0) return undefined
    return new Promise((resolve) => {
      this.#resolve = resolve
    })
  }
}
