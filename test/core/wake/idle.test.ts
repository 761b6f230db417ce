import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type IdleLook, type IdleRule, lookAtIdle } from '../../../src/core/wake/idle.js'

const RULE: IdleRule = { idleMs: 1000, idleBy: 'connections', minUptimeMs: 0 }
const BYTES: IdleRule = { ...RULE, idleBy: 'bytes' }
const LOOK: IdleLook = { now: 5000, openSince: 0, users: 0, lastLeftAt: 4000, lastByteAt: 3000 }

describe('a service', () => {
  it('is stopped when the last client has been gone for long', () => {
    expect(lookAtIdle(LOOK, RULE)).toEqual({ stop: true })
  })

  it('is looked at again just when that will be so', () => {
    expect(lookAtIdle({ ...LOOK, lastLeftAt: 4600 }, RULE)).toEqual({ stop: false, againInMs: 600 })
  })

  it('is never stopped with idle 0', () => {
    expect(lookAtIdle(LOOK, { ...RULE, idleMs: 0 })).toEqual({ stop: false, againInMs: null })
  })

  it('runs for its shortest time', () => {
    expect(lookAtIdle({ ...LOOK, openSince: 3000 }, { ...RULE, minUptimeMs: 5000 })).toEqual({
      stop: false,
      againInMs: 3000,
    })
  })

  it('is kept by a silent client, unless bytes count', () => {
    expect(lookAtIdle({ ...LOOK, users: 1 }, RULE)).toMatchObject({ stop: false })
    expect(lookAtIdle({ ...LOOK, users: 1 }, BYTES)).toEqual({ stop: true })
  })

  it('is kept by a byte that has moved lately, when bytes count', () => {
    expect(lookAtIdle({ ...LOOK, users: 1, lastByteAt: 4500 }, BYTES)).toMatchObject({ stop: false })
  })

  it('is found idle by looking when it was said to, not before it is and not for ever', () => {
    const ms = fc.integer({ min: 0, max: 5000 })
    fc.assert(
      fc.property(
        fc.record({ lastLeftAt: ms, lastByteAt: ms, openSince: ms, users: fc.nat(1) }),
        fc.integer({ min: 1, max: 5000 }),
        fc.constantFrom('connections', 'bytes'),
        ms,
        ({ users, ...times }, idleMs, idleBy, minUptimeMs) => {
          if (idleBy === 'connections' && users > 0) return
          const rule: IdleRule = { idleMs, idleBy, minUptimeMs }
          const start = Math.max(times.lastLeftAt, times.lastByteAt, times.openSince)
          const used = users === 0 ? times.lastLeftAt : times.lastByteAt
          const due = Math.max(used + idleMs, times.openSince + minUptimeMs, start)
          let now = start
          for (;;) {
            const verdict = lookAtIdle({ ...times, users, now }, rule)
            if (verdict.stop) break
            expect(verdict.againInMs).toBeGreaterThan(0)
            now += verdict.againInMs ?? Number.POSITIVE_INFINITY
          }
          expect(now).toBeGreaterThanOrEqual(due)
          expect(now - due).toBeLessThanOrEqual(idleBy === 'bytes' ? Math.max(20, Math.ceil(idleMs / 4)) : 0)
        },
      ),
    )
  })
})
