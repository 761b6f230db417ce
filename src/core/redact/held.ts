/**
 * Bytes that are not decided yet when their chunk is over. They are copied, since the chunk is its owner's again, and masked in place as
 * matches are found. Memory is taken when first needed, a few bytes as a rule, and given back when much of it was needed and no longer is.
 */

const FIRST_CAPACITY = 256
/** What is kept though it is empty: most candidates are short, and a stream that had one has more. */
const KEPT_CAPACITY = 4_096

const NO_MEMORY = new Uint8Array(0)

export class Held {
  #bytes: Uint8Array = NO_MEMORY
  #head = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  /** Appends `bytes[from, to)`. */
  append(bytes: Uint8Array, from: number, to: number): void {
    this.#makeRoom(to - from)
    const end = this.#head + this.#length
    // A subarray would be garbage for each chunk; what is held is short.
    if (to - from <= 32) for (let at = from; at < to; at += 1) this.#bytes[end + at - from] = bytes[at] ?? 0
    else this.#bytes.set(bytes.subarray(from, to), end)
    this.#length += to - from
  }

  /** Masks those from number `from` to before number `to`. */
  mask(from: number, to: number, mask: number): void {
    this.#bytes.fill(mask, this.#head + from, this.#head + to)
  }

  /** Gives out the first `count`. */
  give(count: number, out: (bytes: Uint8Array, from: number, to: number) => void): void {
    if (count === 0) return
    out(this.#bytes, this.#head, this.#head + count)
    this.#head += count
    this.#length -= count
    if (this.#length === 0) this.#empty()
  }

  #empty(): void {
    this.#head = 0
    if (this.#bytes.length > KEPT_CAPACITY) this.#bytes = NO_MEMORY
  }

  #makeRoom(more: number): void {
    if (this.#head + this.#length + more <= this.#bytes.length) return
    const needed = this.#length + more
    // Half stays free after a move to the front, so that moves are rare however small the appends.
    if (2 * needed <= this.#bytes.length) {
      this.#bytes.copyWithin(0, this.#head, this.#head + this.#length)
    } else {
      let capacity = Math.max(FIRST_CAPACITY, this.#bytes.length)
      while (capacity < 2 * needed) capacity *= 2
      const larger = new Uint8Array(capacity)
      larger.set(this.#bytes.subarray(this.#head, this.#head + this.#length))
      this.#bytes = larger
    }
    this.#head = 0
  }
}
