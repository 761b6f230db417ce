/**
 * Two drawn at random, the less loaded of them wins. Nearly as even as looking at all of them, but many who choose at the same
 * time, from figures that are a moment old, do not all rush to the same one (Mitzenmacher, "The Power of Two Choices", 2001).
 */

import { type Candidate, compareLoad, totalWeight } from './candidate.js'

/** One by weight, not `except`. `total`: the weights of those it may be. */
const draw = <C extends Candidate>(
  candidates: readonly C[],
  total: number,
  random: () => number,
  except: C | null,
): C | null => {
  let rest = random() * total
  let last: C | null = null
  for (const candidate of candidates) {
    if (candidate === except) continue
    last = candidate
    rest -= candidate.weight
    if (rest < 0) return candidate
  }
  // Only by rounding.
  return last
}

/** @param random a number from 0 up to but not 1 */
export const pickOfTwo = <C extends Candidate>(candidates: readonly C[], random: () => number): C | null => {
  if (candidates.length <= 1) return candidates[0] ?? null
  const total = totalWeight(candidates)
  const one = draw(candidates, total, random, null)
  const other = one && draw(candidates, total - one.weight, random, one)
  if (one === null || other === null) return one
  return compareLoad(other.active(), other.weight, one.active(), one.weight) < 0 ? other : one
}
