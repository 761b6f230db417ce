/**
 * Turns by weight, spread out: with weights 5, 1, 1 it goes a a b a c a a, not five times a in a row.
 *
 * Each candidate saves up its weight at every turn; the one with the most savings is picked and pays what all of them got
 * (known as smooth weighted round-robin, from nginx). As long as the candidates stay the same, each is picked exactly
 * `weight` times within any `total weight` turns. A candidate that is missing now and then keeps its savings meanwhile.
 */

import { type Candidate, totalWeight } from './candidate.js'

export class Turns {
  /** By candidate index. */
  readonly #savings: number[] = []

  pick<C extends Candidate>(candidates: readonly C[]): C | null {
    const [only] = candidates
    if (only === undefined) return null
    // Would get its weight and pay it.
    if (candidates.length === 1) return only
    let richest = only
    let most = Number.NEGATIVE_INFINITY
    for (const candidate of candidates) {
      const savings = this.#savingsOf(candidate.index) + candidate.weight
      this.#savings[candidate.index] = savings
      if (savings <= most) continue
      most = savings
      richest = candidate
    }
    this.#savings[richest.index] = most - totalWeight(candidates)
    return richest
  }

  /** Fills the array up in order, so that it stays a dense one. */
  #savingsOf(index: number): number {
    while (this.#savings.length <= index) this.#savings.push(0)
    return this.#savings[index] ?? 0
  }
}
