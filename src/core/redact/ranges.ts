/**
 * The matches found in the chunk at hand: disjoint ranges of its bytes, ascending. All matches end where the reader stands, so a new
 * one can only swallow the last ones: it is a stack. One serves all streams of a redaction in turn, as it is empty between chunks.
 */

const FIRST_CAPACITY = 256

export class Ranges {
  count = 0
  #from = new Int32Array(FIRST_CAPACITY)
  #to = new Int32Array(FIRST_CAPACITY)

  get isFull(): boolean {
    return this.count === this.#from.length
  }

  fromOf(index: number): number {
    return this.#from[index] ?? 0
  }

  toOf(index: number): number {
    return this.#to[index] ?? 0
  }

  /** Adds [from, to), which ends no earlier than any. */
  add(from: number, to: number): void {
    let begin = from
    while (this.count > 0 && this.toOf(this.count - 1) >= begin) {
      this.count -= 1
      begin = Math.min(begin, this.fromOf(this.count))
    }
    if (this.isFull) this.#grow()
    this.#from[this.count] = begin
    this.#to[this.count] = to
    this.count += 1
  }

  /** Takes away the first `count`. */
  drop(count: number): void {
    this.#from.copyWithin(0, count, this.count)
    this.#to.copyWithin(0, count, this.count)
    this.count -= count
  }

  #grow(): void {
    const from = new Int32Array(2 * this.#from.length)
    const to = new Int32Array(from.length)
    from.set(this.#from)
    to.set(this.#to)
    this.#from = from
    this.#to = to
  }
}
