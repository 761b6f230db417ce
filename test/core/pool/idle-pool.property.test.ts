/** Any interleaving of users, dials, deaths and time: the sums are right after each step, and everybody is served in the end. */

import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Member } from '../../../src/core/pool/member.js'
import { type FakeConn, settle, setup } from './idle-harness.js'

const ACTIONS = [
  'take',
  'acquire',
  'acquire',
  'give back',
  'give back',
  'discard',
  'connect',
  'connect',
  'refuse',
  'give up ahead',
  'kill idle',
  'kill used',
  'evict',
  'elapse',
] as const

const options = fc
  .record({
    max: fc.integer({ min: 1, max: 5 }),
    min: fc.nat(5),
    idleTimeoutMs: fc.constantFrom(0, 200),
    maxAgeMs: fc.constantFrom(0, 900),
    maxUses: fc.constantFrom(0, 3),
  })
  .map(({ min, max, ...rest }) => ({ ...rest, max, min: Math.min(min, max) }))

const steps = fc.array(fc.record({ what: fc.constantFrom(...ACTIONS), pick: fc.nat(50) }), {
  minLength: 20,
  maxLength: 200,
})

it('keeps its maximum and its books, and hands out nothing that is dead, in any interleaving', async () => {
  await fc.assert(
    fc.asyncProperty(options, steps, async (chosen, script) => {
      const { pool, dials, open, clock, stats, succeedAll } = setup(chosen)
      const used: Member<FakeConn>[] = []
      let waiting = 0
      const hold = (member: Member<FakeConn>): void => {
        expect(member.conn.isClosed).toBe(false)
        expect(used).not.toContain(member)
        used.push(member)
      }
      const act = (what: (typeof ACTIONS)[number], pick: number): void => {
        const take = (): Member<FakeConn> | undefined => used.splice(pick % (used.length || 1), 1)[0]
        const dial = dials[pick % (dials.length || 1)]
        if (what === 'take') {
          const member = pool.take()
          if (member !== null) expect(member.conn.isAlive).toBe(true)
          if (member !== null) hold(member)
        } else if (what === 'acquire') {
          waiting++
          pool
            .acquire({ timeoutMs: 150 })
            .then(hold, () => {})
            .finally(() => waiting--)
        } else if (what === 'give back' || what === 'discard') {
          const member = take()
          if (member === undefined) return
          if (what === 'discard') pool.discard(member)
          else pool.giveBack(member)
        } else if (what === 'connect') dial?.succeed()
        else if (what === 'refuse') dial?.fail()
        else if (what === 'give up ahead') {
          if (dial?.isAhead) dial.giveUp()
        } else if (what === 'kill idle') {
          const idle = [...open].filter((conn) => !used.some((member) => member.conn === conn))
          const conn = idle[pick % (idle.length || 1)]
          if (conn !== undefined) conn.isAlive = false
        } else if (what === 'kill used') {
          const member = used[pick % (used.length || 1)]
          if (member !== undefined) member.conn.isAlive = false
        } else if (what === 'evict') pool.evictIdle(pick % 3)
        else clock.elapse(pick * 4)
      }
      for (const { what, pick } of script) {
        act(what, pick)
        // A promise that was resolved reaches its `then` a few turns later.
        await settle()
        const { idle, inUse, dialling } = pool.counters()
        expect(pool.counters().waiting).toBe(waiting)
        expect(inUse).toBe(used.length)
        expect(dialling).toBe(dials.length)
        expect(open.size).toBe(idle + inUse)
        expect(idle + inUse + dialling).toBeLessThanOrEqual(chosen.max)
        // Nobody waits for nothing: a dial is under way for him, or all there may be are in use.
        if (waiting > 0)
          expect(dialling + inUse).toBe(Math.min(chosen.max, inUse + Math.max(dialling, waiting)))
      }
      expect(stats.peak).toBeLessThanOrEqual(chosen.max)
      // The upstream is well again: all who wait are served or gone, and `min` are idle.
      for (const member of used.splice(0)) pool.giveBack(member)
      for (let i = 0; i < 100 && (waiting > 0 || used.length > 0); i++) {
        succeedAll()
        await settle()
        for (const member of used.splice(0)) pool.giveBack(member)
      }
      expect(waiting).toBe(0)
      clock.elapse(31_000)
      succeedAll()
      while (pool.take() !== null);
      succeedAll()
      clock.elapse(31_000)
      succeedAll()
      pool.destroy()
      expect(open.size).toBe(0)
      expect(dials).toHaveLength(0)
      expect(clock.pending).toBe(0)
    }),
    { numRuns: 150 },
  )
}, 60_000)
