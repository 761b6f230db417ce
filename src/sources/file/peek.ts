/** Chunks whose beginning is looked at before they are read. */

/** What is kept of `parts` for looking at, as one piece of at most `limit` bytes. */
const startOf = (parts: readonly Uint8Array[], limit: number): Uint8Array => {
  const total = parts.reduce((sum, part) => sum + part.length, 0)
  const bytes = new Uint8Array(Math.min(limit, total))
  let at = 0
  for (const part of parts) {
    if (at === bytes.length) break
    const piece = part.subarray(0, bytes.length - at)
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}

export class PeekedChunks {
  readonly #source: AsyncIterator<Uint8Array>
  readonly #kept: Uint8Array[] = []
  #ended = false

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** The first `length` bytes; fewer only where there are no more. Reads no further than it has to. */
  async head(length: number): Promise<Uint8Array> {
    for (;;) {
      const start = startOf(this.#kept, length)
      if (start.length === length || this.#ended) return start
      const next = await this.#source.next()
      if (next.done === true) this.#ended = true
      // The source reuses its buffer once more is asked for, so what is kept is copied.
      else this.#kept.push(next.value.slice())
    }
  }

  /** All chunks, those looked at included. To be called once. */
  async *chunks(): AsyncGenerator<Uint8Array> {
    try {
      for (const chunk of this.#kept.splice(0)) yield chunk
      if (this.#ended) return
      for (let next = await this.#source.next(); next.done !== true; next = await this.#source.next())
        yield next.value
    } finally {
      await this.close()
    }
  }

  /** Lets go of the source. Idempotent. */
  async close(): Promise<void> {
    this.#ended = true
    await this.#source.return?.()
  }
}
