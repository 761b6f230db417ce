import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { IdMap } from '../../src/core/id-map.js'

type Step =
  | { readonly do: 'set'; readonly id: number; readonly value: string }
  | { readonly do: 'delete'; readonly id: number }

/** Few low bits, so that they collide; some far apart, as long-lived connections among new ones. */
const ids = fc.oneof(
  fc.integer({ min: 1, max: 40 }),
  fc.integer({ min: 0, max: 20 }).map((n) => 7 + n * 64),
  fc.integer({ min: 2 ** 31 - 3, max: 2 ** 31 + 3 }),
)

const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('set' as const), id: ids, value: fc.string() }),
  fc.record({ do: fc.constant('delete' as const), id: ids }),
)

describe('a map by number', () => {
  test('has what a Map would have, whatever is set and deleted', () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 300 }), (all) => {
        const ours = new IdMap<string>()
        const theirs = new Map<number, string>()
        for (const step of all) {
          if (step.do === 'delete') expect(ours.delete(step.id)).toBe(theirs.delete(step.id))
          else {
            ours.set(step.id, step.value)
            theirs.set(step.id, step.value)
          }
          expect(ours.get(step.id)).toBe(theirs.get(step.id))
        }
        expect(ours.size).toBe(theirs.size)
        expect(ours.values().sort()).toEqual([...theirs.values()].sort())
        for (const [id, value] of theirs) expect(ours.get(id)).toBe(value)
      }),
    )
  })

  test('finds each of ten thousand that are open at once, and the few that stay', () => {
    const map = new IdMap<number>()
    for (let id = 1; id <= 10_000; id++) map.set(id, id)
    expect(map.size).toBe(10_000)
    for (let id = 1; id <= 10_000; id++) expect(map.get(id)).toBe(id)
    for (let id = 1; id <= 10_000; id++) if (id % 1000 !== 0) expect(map.delete(id)).toBe(true)
    expect(map.values().sort((a, b) => a - b)).toEqual([
      1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 10_000,
    ])
  })

  test('lists what was there when it was asked, so that those may go while they are visited', () => {
    const map = new IdMap<number>()
    for (let id = 1; id <= 20; id++) map.set(id, id)
    const visited: number[] = []
    for (const id of map.values()) {
      visited.push(id)
      map.delete(id)
    }
    expect(visited).toHaveLength(20)
    expect(map.size).toBe(0)
  })
})
