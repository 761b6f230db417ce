/**
 * A map of bounded size that knows which entry was used least recently. A linked list through the entries
 * keeps the order, so that using the latest entry again, the common case, costs nothing.
 */

interface Entry<V> {
  readonly key: string
  readonly value: V
  older: Entry<V> | null
  newer: Entry<V> | null
}

export class RecentTable<V> {
  readonly #limit: number
  readonly #entries = new Map<string, Entry<V>>()
  #oldest: Entry<V> | null = null
  #newest: Entry<V> | null = null

  constructor(limit: number) {
    this.#limit = limit
  }

  /** The value, which becomes the most recently used. */
  use(key: string): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    if (entry !== this.#newest) {
      this.#unlink(entry)
      this.#append(entry)
    }
    return entry.value
  }

  /** Adds a new key. Returns the value that had to make room for it, if any. */
  add(key: string, value: V): V | undefined {
    const evicted = this.#entries.size === this.#limit ? this.#oldest : null
    if (evicted !== null) this.delete(evicted.key)
    const entry: Entry<V> = { key, value, older: null, newer: null }
    this.#entries.set(key, entry)
    this.#append(entry)
    return evicted?.value
  }

  delete(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#unlink(entry)
  }

  /** In no order that matters. */
  *values(): Iterable<V> {
    for (const entry of this.#entries.values()) yield entry.value
  }

  #append(entry: Entry<V>): void {
    entry.older = this.#newest
    entry.newer = null
    if (this.#newest === null) this.#oldest = entry
    else this.#newest.newer = entry
    this.#newest = entry
  }

  #unlink({ older, newer }: Entry<V>): void {
    if (older === null) this.#oldest = newer
    else older.newer = newer
    if (newer === null) this.#newest = older
    else newer.older = older
  }
}
