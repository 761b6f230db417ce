/** Adds one to a word that threads share, unless it is `max` already: then false. Exact whoever else is at it. */
export const takeBelow = (words: Int32Array<SharedArrayBuffer>, at: number, max: number): boolean => {
  for (;;) {
    const taken = Atomics.load(words, at)
    if (taken >= max) return false
    if (Atomics.compareExchange(words, at, taken, taken + 1) === taken) return true
  }
}
