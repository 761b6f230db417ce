/** What a balancer chooses from. */

export interface Candidate {
  /** A small whole number, the same for one endpoint each time and unlike all others'. */
  readonly index: number
  /** {@link hashText} of the endpoint's address: where it is, not how it is listed, decides who comes to it. */
  readonly hash: number
  /** A whole number from 1. */
  readonly weight: number
  /** Its connections in use, of all threads. */
  active(): number
}

export const totalWeight = (candidates: readonly Candidate[]): number => {
  let total = 0
  for (const { weight } of candidates) total += weight
  return total
}

/**
 * Which of two is the less loaded for its weight: negative for the first, positive for the second, 0 for neither. Cross-multiplied,
 * since quotients that should be equal need not be.
 */
export const compareLoad = (
  active: number,
  weight: number,
  otherActive: number,
  otherWeight: number,
): number => active * otherWeight - otherActive * weight
