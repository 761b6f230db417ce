/** Bytes that arrived while nobody took them, in order. Chunks are kept as they came: nothing is copied. */
export class Unread {
  #chunks: Uint8Array[] = []
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  append(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
  }

  prepend(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#chunks.unshift(chunk)
    this.#bytes += chunk.length
  }

  /** The oldest chunk; empty when there is none. */
  shift(): Uint8Array {
    const chunk = this.#chunks.shift() ?? new Uint8Array(0)
    this.#bytes -= chunk.length
    return chunk
  }

  /** The oldest bytes: at most `maxBytes` of the oldest chunk. */
  take(maxBytes: number): Uint8Array {
    const chunk = this.shift()
    if (chunk.length <= maxBytes) return chunk
    this.prepend(chunk.subarray(maxBytes))
    return chunk.subarray(0, maxBytes)
  }

  /** Everything, as one piece that shares its memory with nobody. */
  takeAll(): Uint8Array {
    const all = new Uint8Array(this.#bytes)
    let at = 0
    for (const chunk of this.#chunks) {
      all.set(chunk, at)
      at += chunk.length
    }
    this.clear()
    return all
  }

  clear(): void {
    this.#chunks = []
    this.#bytes = 0
  }
}
