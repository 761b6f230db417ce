/** The one with the fewest connections for its weight; those that are level take turns, so that it is not always the first. */

import { type Candidate, compareLoad } from './candidate.js'
import { Turns } from './turns.js'

export class LeastLoaded {
  readonly #turns = new Turns()

  pick<C extends Candidate>(candidates: readonly C[]): C | null {
    const [only] = candidates
    if (only === undefined) return null
    if (candidates.length === 1) return only
    let winner = only
    let fewest = Number.POSITIVE_INFINITY
    /** The winner and those level with it; null while it is alone. */
    let level: C[] | null = null
    for (const candidate of candidates) {
      // Read once: other threads change it meanwhile.
      const active = candidate.active()
      const order = compareLoad(active, candidate.weight, fewest, winner.weight)
      if (order > 0) continue
      if (order === 0) {
        level ??= [winner]
        level.push(candidate)
        continue
      }
      winner = candidate
      fewest = active
      level = null
    }
    return level === null ? winner : this.#turns.pick(level)
  }
}
