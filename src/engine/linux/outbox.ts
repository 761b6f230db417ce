/** Bytes that wait for a socket to take them, in order. Empty nearly always: it exists only while a reader is slow. */

interface Waiting {
  bytes: Uint8Array
  readonly onWritten: ((error: Error | null) => void) | null
}

export class Outbox {
  readonly #waiting: Waiting[] = []

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** `bytes` must stay as they are until they are written. */
  add(bytes: Uint8Array, onWritten: ((error: Error | null) => void) | null): void {
    this.#waiting.push({ bytes, onWritten })
  }

  first(): Uint8Array | null {
    return this.#waiting[0]?.bytes ?? null
  }

  /** The kernel took this many of the first bytes. */
  took(count: number): void {
    const first = this.#waiting[0]
    if (first === undefined) return
    if (count < first.bytes.length) {
      first.bytes = first.bytes.subarray(count)
      return
    }
    this.#waiting.shift()
    first.onWritten?.(null)
  }

  fail(error: Error): void {
    for (const { onWritten } of this.#waiting.splice(0)) onWritten?.(error)
  }
}
