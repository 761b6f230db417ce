/**
 * What is open, by its number: for things that come and go all the time. Numbers are given out in order, so a table
 * indexed by their low bits is nearly free of collisions (linear probing; Knuth, TAOCP 3, algorithm R to delete).
 *
 * Not a `Map`: V8's leaves its outgrown table pointing to the next one, for iterators under way. Once a single such table
 * is old, it keeps the next alive until the next full collection, with all that was open then, and that table the one
 * after it: half of all connections that ever were survive, and collecting them costs more than serving them.
 */

/** A power of two. */
const FIRST_SLOTS = 64

export class IdMap<T extends NonNullable<unknown>> {
  #values: (T | undefined)[] = Array<T | undefined>(FIRST_SLOTS).fill(undefined)
  #ids: number[] = Array<number>(FIRST_SLOTS).fill(0)
  #mask = FIRST_SLOTS - 1
  #size = 0

  get size(): number {
    return this.#size
  }

  get(id: number): T | undefined {
    return this.#values[this.#slotOf(id)]
  }

  /** `id`: a whole number from 1. */
  set(id: number, value: T): void {
    const slot = this.#slotOf(id)
    const isNew = this.#values[slot] === undefined
    this.#ids[slot] = id
    this.#values[slot] = value
    // At half full a chain of collisions is one and a half long on average.
    if (isNew && ++this.#size * 2 > this.#mask) this.#grow()
  }

  /** False when it was not there. */
  delete(id: number): boolean {
    let hole = this.#slotOf(id)
    if (this.#values[hole] === undefined) return false
    this.#size--
    // What was pushed on past the hole moves back into it, so that no search ends there.
    for (let at = (hole + 1) & this.#mask; this.#values[at] !== undefined; at = (at + 1) & this.#mask) {
      const home = (this.#ids[at] ?? 0) & this.#mask
      if (((at - home) & this.#mask) < ((at - hole) & this.#mask)) continue
      this.#values[hole] = this.#values[at]
      this.#ids[hole] = this.#ids[at] ?? 0
      hole = at
    }
    this.#values[hole] = undefined
    this.#ids[hole] = 0
    return true
  }

  /** All that are there now, in no order. */
  values(): T[] {
    return this.#values.filter((value) => value !== undefined)
  }

  /** Where `id` is, or would be put. */
  #slotOf(id: number): number {
    let slot = id & this.#mask
    while (this.#values[slot] !== undefined && this.#ids[slot] !== id) slot = (slot + 1) & this.#mask
    return slot
  }

  #grow(): void {
    const [values, ids] = [this.#values, this.#ids]
    const slots = values.length * 2
    this.#values = Array<T | undefined>(slots).fill(undefined)
    this.#ids = Array<number>(slots).fill(0)
    this.#mask = slots - 1
    values.forEach((value, i) => {
      const id = ids[i] ?? 0
      const slot = this.#slotOf(id)
      if (value === undefined) return
      this.#values[slot] = value
      this.#ids[slot] = id
    })
  }
}
