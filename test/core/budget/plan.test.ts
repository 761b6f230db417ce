import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type BudgetNeeds,
  planBudget,
  reservedText,
  reserveOf,
  shortageOf,
} from '../../../src/core/budget/plan.js'

const NEEDS: BudgetNeeds = {
  limit: 1024,
  open: null,
  workers: 0,
  acceptsAll: false,
  listeners: 1,
  recording: 'none',
  checks: 0,
  services: 0,
  pools: 0,
}

const anyNeeds = fc.record<BudgetNeeds>({
  limit: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  open: fc.option(fc.nat(2000)),
  workers: fc.nat(256),
  acceptsAll: fc.boolean(),
  listeners: fc.integer({ min: 1, max: 500 }),
  recording: fc.constantFrom('none', 'file', 'files', 'split', 'sink'),
  checks: fc.nat(500),
  services: fc.nat(300),
  pools: fc.nat(100_000),
})

/** Limits near what is needed are the interesting ones. */
const tightNeeds = anyNeeds.chain((needs) => {
  const { totalReserved } = planBudget({ ...needs, limit: 1024 })
  return fc.integer({ min: -60, max: 200 }).map((more) => ({
    ...needs,
    limit: Math.max(0, totalReserved + needs.pools + more),
  }))
})

describe('a descriptor plan', () => {
  it('divides the limit: what is reserved first, then the pools, and two for each client', () => {
    const plan = planBudget({ ...NEEDS, workers: 2, recording: 'file', checks: 3, pools: 20 })
    expect(plan.reserved).toEqual({
      process: 24,
      engine: 14,
      listeners: 3,
      recording: 9,
      checks: 3,
      services: 0,
      admin: 8,
      passing: 3,
      waiting: 0,
      reserve: 32,
    })
    expect(plan).toMatchObject({ limit: 1024, totalReserved: 96, pools: 20, connections: 928, clients: 454 })
    expect(shortageOf(plan)).toBeNull()
  })

  it('takes what the program had open before for the process’s own, if that is more than Node has at rest', () => {
    expect(planBudget({ ...NEEDS, open: 300 }).reserved.process).toBe(300)
    expect(planBudget({ ...NEEDS, open: 3 }).reserved.process).toBe(24)
  })

  it.each([
    [1024, 32],
    [256, 32],
    [128, 16],
    [64, 8],
    [1_048_576, 32],
  ])('of %i descriptors keeps %i in reserve', (limit, reserve) => {
    expect(reserveOf(limit)).toBe(reserve)
    expect(planBudget({ ...NEEDS, limit }).reserved.reserve).toBe(reserve)
  })

  it('keeps places for clients that wait only where the engine accepts them all, never more than a burst', () => {
    expect(planBudget(NEEDS).waiting).toBe(0)
    expect(planBudget({ ...NEEDS, limit: 256, acceptsAll: true }).waiting).toBe(11)
    expect(planBudget({ ...NEEDS, limit: 100_000, acceptsAll: true }).waiting).toBe(64)
  })

  it('keeps what is opened only later: checks, whoever administers, and what threads open for a moment', () => {
    expect(planBudget({ ...NEEDS, checks: 5, workers: 2 }).kept).toBe(16)
  })

  it('says in one line, with figures, what does not fit, and what to do', () => {
    expect(shortageOf(planBudget({ ...NEEDS, limit: 256, pools: 300 }))).toBe(
      '256 descriptors may be open, but at least 370 are needed: 68 reserved (24 process, 2 engine, 1 listeners, ' +
        '8 admin, 1 passing, 32 reserve), 300 for pools (pool.min of each endpoint), 2 for a client; raise the limit (ulimit -n) or lower pool.min',
    )
    expect(shortageOf(planBudget({ ...NEEDS, limit: 40 }))).toBe(
      '40 descriptors may be open, but at least 43 are needed: 41 reserved (24 process, 2 engine, 1 listeners, ' +
        '8 admin, 1 passing, 5 reserve), 2 for a client; raise the limit (ulimit -n)',
    )
  })

  it('names of the reserved only what is something', () => {
    const { reserved } = planBudget(NEEDS)
    expect(reservedText({ ...reserved, engine: 0, admin: 0 })).toBe(
      '24 process, 1 listeners, 1 passing, 32 reserve',
    )
  })

  it('never plans more than the limit, and wastes no pair, whatever is needed', () => {
    fc.assert(
      fc.property(fc.oneof(anyNeeds, tightNeeds), (needs) => {
        const plan = planBudget(needs)
        const { reserved, totalReserved, pools, clients, connections, limit } = plan
        expect(Object.values(reserved).reduce((sum, count) => sum + count)).toBe(totalReserved)
        for (const count of [...Object.values(reserved), clients, connections])
          expect(count).toBeGreaterThanOrEqual(0)
        const fits = shortageOf(plan) === null
        expect(fits).toBe(clients >= 1)
        if (!fits) return
        const used = totalReserved + pools + 2 * clients
        expect(used).toBeLessThanOrEqual(limit)
        expect(limit - used).toBeLessThan(2)
        expect(connections).toBe(limit - totalReserved)
      }),
    )
  })

  it('with a higher limit never serves fewer', () => {
    fc.assert(
      fc.property(tightNeeds, fc.nat(1000), (needs, more) => {
        const [before, after] = [planBudget(needs), planBudget({ ...needs, limit: needs.limit + more })]
        expect(after.clients).toBeGreaterThanOrEqual(before.clients)
      }),
    )
  })
})
