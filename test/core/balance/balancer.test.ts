import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createBalancer } from '../../../src/core/balance/balancer.js'
import { BALANCE_POLICIES } from '../../../src/core/balance/policy.js'
import { candidatesWith, clientAt, seeded, type TestCandidate } from './candidates.js'

const CLIENT = clientAt('10.9.8.7')

/** Who gets each of so many clients, none of whom leaves. */
const served = (
  policy: (typeof BALANCE_POLICIES)[number],
  candidates: readonly TestCandidate[],
  clients: number,
): readonly number[] => {
  const balancer = createBalancer(policy)
  const random = seeded(1)
  return Array.from({ length: clients }, () => {
    const picked = balancer.pick(candidates, CLIENT, random)
    if (picked === null) return -1
    picked.load++
    return picked.index
  })
}

const countsOf = (picks: readonly number[], candidates: readonly TestCandidate[]): readonly number[] =>
  candidates.map(({ index }) => picks.filter((pick) => pick === index).length)

const weights = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 6 })
const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0)

describe.each(BALANCE_POLICIES)('%s', (policy) => {
  it('has nobody to pick where there is nobody', () => {
    expect(createBalancer(policy).pick([], CLIENT, Math.random)).toBeNull()
  })

  it('picks the only one there is without looking at it', () => {
    const only = {
      index: 7,
      hash: 0,
      weight: 1,
      active: (): number => {
        throw new Error('asked for its load')
      },
    }
    const random = (): number => {
      throw new Error('asked for a random number')
    }
    expect(createBalancer(policy).pick([only], CLIENT, random)).toBe(only)
  })

  it('finds everybody in the end when each one picked is left out of the next try', () => {
    fc.assert(
      fc.property(weights, fc.integer(), (each, seed) => {
        const balancer = createBalancer(policy)
        const random = seeded(seed)
        let left = candidatesWith(each)
        while (left.length > 0) {
          const picked = balancer.pick(left, CLIENT, random)
          expect(left).toContain(picked)
          left = left.filter((candidate) => candidate !== picked)
        }
      }),
    )
  })
})

describe('first', () => {
  it('is always the first', () => {
    expect(served('first', candidatesWith([1, 9, 9]), 5)).toEqual([0, 0, 0, 0, 0])
  })
})

describe('round_robin', () => {
  it('gives everybody as many turns as its weight within any cycle, wherever the cycle begins', () => {
    fc.assert(
      fc.property(weights, fc.nat({ max: 100 }), (each, start) => {
        const candidates = candidatesWith(each)
        const picks = served('round_robin', candidates, start + sum(each))
        expect(countsOf(picks.slice(start), candidates)).toEqual(each)
      }),
    )
  })

  it('spreads the turns of a heavy one out', () => {
    expect(served('round_robin', candidatesWith([5, 1, 1]), 7)).toEqual([0, 0, 1, 0, 2, 0, 0])
  })

  it('owes nobody more than a few turns, whoever is missing now and then', () => {
    const presence = fc.array(fc.subarray([0, 1, 2, 3], { minLength: 1 }), { maxLength: 300 })
    fc.assert(
      fc.property(presence, (turns) => {
        const balancer = createBalancer('round_robin')
        const candidates = candidatesWith([1, 1, 1, 1])
        const owed = [0, 0, 0, 0]
        for (const present of turns) {
          const there = candidates.filter(({ index }) => present.includes(index))
          for (const { index } of there) owed[index] = (owed[index] ?? 0) + 1
          const picked = balancer.pick(there, CLIENT, Math.random)?.index ?? -1
          owed[picked] = (owed[picked] ?? 0) - there.length
          // All 94 states that four can get into have been looked at: 3 is the most.
          for (const each of owed) expect(Math.abs(each)).toBeLessThanOrEqual(3)
        }
      }),
    )
  })
})

describe('least_conn', () => {
  it('picks one with the fewest connections for its weight', () => {
    const loaded = fc.array(fc.tuple(fc.integer({ min: 1, max: 256 }), fc.nat({ max: 1000 })), {
      minLength: 1,
      maxLength: 8,
    })
    fc.assert(
      fc.property(loaded, (pairs) => {
        const candidates = candidatesWith(
          pairs.map(([weight]) => weight),
          pairs.map(([, load]) => load),
        )
        const picked = createBalancer('least_conn').pick(candidates, CLIENT, Math.random)
        const least = Math.min(...pairs.map(([weight, load]) => load / weight))
        expect(picked && picked.load / picked.weight).toBe(least)
      }),
    )
  })

  it('lets those that are level take turns by weight, so that it is not always the first', () => {
    const balancer = createBalancer('least_conn')
    const candidates = candidatesWith([2, 1, 1])
    const picks = Array.from({ length: 8 }, () => balancer.pick(candidates, CLIENT, Math.random)?.index ?? -1)
    expect(countsOf(picks, candidates)).toEqual([4, 2, 2])
  })

  it('fills up by weight when nobody leaves', () => {
    const candidates = candidatesWith([3, 1, 2])
    expect(countsOf(served('least_conn', candidates, 600), candidates)).toEqual([300, 100, 200])
  })

  it('is not confused by loads that change while it looks', () => {
    let asked = 0
    const restless = candidatesWith([1, 1, 1]).map((candidate) => ({
      ...candidate,
      active: () => 5 - asked++,
    }))
    expect(createBalancer('least_conn').pick(restless, CLIENT, Math.random)?.index).toBe(2)
  })
})

describe('random', () => {
  it('never picks the one that is more loaded than every other', () => {
    const loads = fc.array(fc.nat({ max: 50 }), { minLength: 2, maxLength: 8 })
    fc.assert(
      fc.property(loads, fc.integer(), (each, seed) => {
        const candidates = candidatesWith(
          each.map(() => 1),
          each,
        )
        const most = Math.max(...each)
        fc.pre(each.filter((load) => load === most).length === 1)
        const balancer = createBalancer('random')
        const random = seeded(seed)
        for (let n = 0; n < 20; n++)
          expect(balancer.pick(candidates, CLIENT, random)?.load).toBeLessThan(most)
      }),
    )
  })

  it('looks at two that are not the same, whatever the random numbers', () => {
    const candidates = candidatesWith([1, 1, 1], [1, 0, 2])
    for (const value of [0, 0.3, 0.5, 0.7, 1 - 2 ** -53])
      expect(createBalancer('random').pick(candidates, CLIENT, () => value)?.index).not.toBe(2)
  })

  it('fills up by weight when nobody leaves, far more evenly than by chance', () => {
    const candidates = candidatesWith([1, 1, 2, 4])
    const counts = countsOf(served('random', candidates, 8000), candidates)
    // One draw alone is about 30 off (the square root of 1000); the second choice keeps it at a few.
    for (const [index, expected] of [1000, 1000, 2000, 4000].entries())
      expect(Math.abs((counts[index] ?? 0) - expected)).toBeLessThan(10)
  })

  it('draws by weight while all are idle', () => {
    const candidates = candidatesWith([1, 3])
    const balancer = createBalancer('random')
    const random = seeded(7)
    const picks = Array.from({ length: 4000 }, () => balancer.pick(candidates, CLIENT, random)?.index ?? -1)
    expect(countsOf(picks, candidates)[1]).toBeGreaterThan(2850)
    expect(countsOf(picks, candidates)[1]).toBeLessThan(3150)
  })
})
