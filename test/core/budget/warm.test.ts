import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type PoolNeeds, warmFor } from '../../../src/core/budget/warm.js'

const pool = (upstream: string, min: number, endpoints: number, addresses = endpoints): PoolNeeds => ({
  upstream,
  min,
  endpoints,
  addresses,
})

const anyPools = fc
  .array(fc.record({ min: fc.nat(50), endpoints: fc.integer({ min: 1, max: 9 }), more: fc.nat(255) }), {
    minLength: 1,
    maxLength: 8,
  })
  .map((all) => all.map(({ min, endpoints, more }, n) => pool(`u${n}`, min, endpoints, endpoints + more)))

describe('connections that are kept ready', () => {
  it('are as many as the config says while they fit', () => {
    expect(warmFor([pool('a', 8, 1, 10), pool('b', 5, 2)], 90)).toEqual(
      new Map([
        ['a', 8],
        ['b', 5],
      ]),
    )
  })

  it('are fewer where a name has more addresses than fit, and as many as ever elsewhere', () => {
    expect(warmFor([pool('a', 8, 1, 10), pool('b', 5, 2)], 89)).toEqual(
      new Map([
        ['a', 7],
        ['b', 5],
      ]),
    )
  })

  it('are none where there is less than one for each address', () => {
    expect(warmFor([pool('a', 1, 1, 200)], 100)).toEqual(new Map([['a', 0]]))
  })

  it('are never more than there is room for, nor than the config says, and no fewer than that without need', () => {
    fc.assert(
      fc.property(anyPools, fc.nat(5000), (pools, more) => {
        const room = pools.reduce((total, { min, endpoints }) => total + min * endpoints, 0) + more
        const warm = warmFor(pools, room)
        const minOf = ({ upstream }: PoolNeeds): number => warm.get(upstream) ?? Number.NaN
        const total = pools.reduce((sum, each) => sum + minOf(each) * each.addresses, 0)
        expect(total).toBeLessThanOrEqual(room)
        for (const each of pools) expect(minOf(each)).toBeLessThanOrEqual(each.min)
        for (const each of pools) if (each.addresses === each.endpoints) expect(minOf(each)).toBe(each.min)
        const wanted = pools.reduce((sum, { min, addresses }) => sum + min * addresses, 0)
        if (wanted <= room) for (const each of pools) expect(minOf(each)).toBe(each.min)
      }),
    )
  })
})
