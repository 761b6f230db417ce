/** Candidates for tests, and a random source that gives the same each time. */

import type { Address } from '../../../src/core/address.js'
import type { Candidate } from '../../../src/core/balance/candidate.js'
import { hashText } from '../../../src/core/balance/hash.js'

export interface TestCandidate extends Candidate {
  load: number
}

export const candidatesWith = (
  weights: readonly number[],
  loads: readonly number[] = [],
): readonly TestCandidate[] =>
  weights.map((weight, index) => ({
    index,
    hash: hashText(`10.0.0.${index}:6379`),
    weight,
    load: loads[index] ?? 0,
    active() {
      return this.load
    },
  }))

/** Mulberry32. */
export const seeded = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export const clientAt = (host: string, port = 1024): Address => ({ kind: 'tcp', host, port })

export const manyClients = (count: number): readonly Address[] =>
  Array.from({ length: count }, (_, n) => clientAt(`192.168.${n >> 8}.${n & 255}`))
