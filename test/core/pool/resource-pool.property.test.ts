/** Any interleaving of what users, timers and the caller's own functions can do: the books are right after each step. */

import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Lease, Resource } from '../../../src/core/pool/resource.js'
import { ResourcePool } from '../../../src/core/pool/resource-pool.js'
import { FakeClock } from '../../../src/testing/fake-clock.js'

const RESOURCES = 6

interface User {
  readonly resource: Resource<object>
  lease: Lease<object> | null
  isGetting: boolean
  abort: AbortController
}

const ACTIONS = [
  'get',
  'get',
  'get',
  'put',
  'put',
  'release',
  'schedule',
  'abort',
  'settle',
  'fail',
  'elapse',
] as const

const steps = fc.array(
  fc.record({ who: fc.nat(RESOURCES - 1), what: fc.constantFrom(...ACTIONS), flush: fc.boolean() }),
  { minLength: 20, maxLength: 150 },
)

it('never has more than the maximum, and never loses a slot, in any interleaving', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), steps, async (max, script) => {
      const clock = new FakeClock()
      const pool = new ResourcePool({ max, graceMs: 0 }, clock)
      const things = new Set<object>()
      /** Calls of allocate and release that are under way: each is settled by a step. */
      const underWay: { settle: () => void; fail: () => void }[] = []
      let allocating = 0
      const later = (apply: () => void, undo: () => void): Promise<void> =>
        new Promise((resolve, reject) => {
          underWay.push({
            settle: () => {
              apply()
              resolve()
            },
            fail: () => {
              undo()
              reject(new Error('failed'))
            },
          })
        })
      const users: User[] = Array.from({ length: RESOURCES }, () => ({
        resource: pool.create<object>({
          allocate: async () => {
            const thing = {}
            allocating++
            await later(
              () => {
                allocating--
                things.add(thing)
              },
              () => {
                allocating--
              },
            )
            return thing
          },
          // Gone also when its release fails, as a descriptor is.
          release: (thing) =>
            later(
              () => things.delete(thing),
              () => things.delete(thing),
            ),
        }),
        lease: null,
        isGetting: false,
        abort: new AbortController(),
      }))
      const flush = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
      const check = (): void => {
        const { inUse, unused, releasing } = pool.metrics()
        expect(things.size + allocating).toBeLessThanOrEqual(max)
        expect(inUse + unused + releasing).toBeLessThanOrEqual(max)
        expect(Math.min(inUse, unused, releasing)).toBeGreaterThanOrEqual(0)
        for (const { lease } of users) if (lease !== null) expect(things.has(lease.value)).toBe(true)
      }
      const act = (user: User, what: (typeof ACTIONS)[number]): void => {
        if (what === 'get' && !user.isGetting && user.lease === null) {
          user.isGetting = true
          user.abort = new AbortController()
          user.resource
            .get({ signal: user.abort.signal, timeoutMs: 30 })
            .then((lease) => {
              user.lease = lease
            })
            .catch(() => {})
            .finally(() => {
              user.isGetting = false
            })
        } else if ((what === 'put' || what === 'release') && user.lease !== null) {
          if (what === 'put') user.lease.put()
          else user.lease.release().catch(() => {})
          user.lease = null
        } else if (what === 'schedule') user.resource.scheduleRelease()
        else if (what === 'abort') user.abort.abort()
        else if (what === 'settle') underWay.shift()?.settle()
        else if (what === 'fail') underWay.pop()?.fail()
        else if (what === 'elapse') clock.elapse(20)
      }
      for (const { who, what, flush: isFlushed } of script) {
        act(users[who]!, what)
        if (isFlushed) await flush()
        else await null
        check()
      }
      // No slot is lost: when all that is under way has ended, each can still be had, and all of them at once.
      const end = async (): Promise<void> => {
        await flush()
        while (underWay.length > 0) {
          underWay.shift()!.settle()
          await flush()
        }
      }
      clock.elapse(100)
      await end()
      for (const user of users) user.lease?.put()
      await end()
      expect(pool.metrics()).toMatchObject({ inUse: 0, releasing: 0, waiting: 0 })
      const all = users.slice(0, max).map(({ resource }) => resource.get())
      await end()
      const leases = await Promise.all(all)
      expect(pool.metrics()).toMatchObject({ inUse: max, unused: 0 })
      for (const lease of leases) lease.put()
      const drained = pool.drain()
      await end()
      await drained
      expect(things.size).toBe(0)
      expect(clock.pending).toBe(0)
    }),
    { numRuns: 150 },
  )
}, 60_000)
