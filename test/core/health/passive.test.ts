import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  afterFailure,
  afterSuccess,
  backoffAfter,
  HEALTHY,
  isEjected,
  type PassiveOptions,
  type PassiveState,
} from '../../../src/core/health/passive.js'
import { passiveTransition } from '../../../src/core/health/transitions.js'

const OPTIONS: PassiveOptions = { failures: 1, backoffMs: 1000, maxBackoffMs: 5000 }

type Step = readonly [at: number, dial: 'fails' | 'connects', message: string | null]

/** Plays dials at their times, and compares what the log would say after each. */
const play = (options: PassiveOptions, steps: readonly Step[]): PassiveState =>
  steps.reduce<PassiveState>((state, [now, dial, message]) => {
    const next = dial === 'fails' ? afterFailure(state, options, now) : afterSuccess(state)
    expect(passiveTransition(state, next, now, 'connection refused')?.message ?? null, `at ${now}`).toBe(
      message,
    )
    return next
  }, HEALTHY)

const left = (seconds: number, why: string): string =>
  `endpoint left out for ${seconds} s: ${why}: connection refused`

describe('an endpoint that clients dial', () => {
  it('is left out longer each time it fails when it is tried again, up to the longest, and starts anew after a success', () => {
    play(OPTIONS, [
      [100, 'fails', left(1, '1 failed dial')],
      [1100, 'fails', left(2, 'dial failed again')],
      [3100, 'fails', left(4, 'dial failed again')],
      [7100, 'fails', left(5, 'dial failed again')],
      [12_100, 'fails', left(5, 'dial failed again')],
      [17_100, 'connects', 'endpoint back: a dial connected after 5 failures in a row'],
      [17_200, 'fails', left(1, '1 failed dial')],
    ])
  })

  it('may fail fewer times than the limit, as long as it connects in between', () => {
    play({ ...OPTIONS, failures: 3 }, [
      [1, 'fails', null],
      [2, 'fails', null],
      [3, 'connects', null],
      [4, 'fails', null],
      [5, 'fails', null],
      [6, 'fails', left(1, '3 failed dials')],
      // On probation one is enough.
      [1006, 'fails', left(2, 'dial failed again')],
    ])
  })

  it('is not left out longer for dials that fail while it is left out', () => {
    const once = play(OPTIONS, [[0, 'fails', left(1, '1 failed dial')]])
    const crowd = Array.from({ length: 999 }, (_, n): Step => [n, 'fails', null])
    expect(play(OPTIONS, [[0, 'fails', left(1, '1 failed dial')], ...crowd])).toEqual(once)
  })

  it('is back at once when a dial connects while it is left out', () => {
    const state = play(OPTIONS, [
      [100, 'fails', left(1, '1 failed dial')],
      [200, 'connects', 'endpoint back: a dial connected after 1 failure'],
    ])
    expect(isEjected(state.ejectedUntil, 200)).toBe(false)
  })

  it('is left out until its time has come, not a moment longer', () => {
    const { ejectedUntil } = afterFailure(HEALTHY, OPTIONS, 5000)
    expect([4999, 5000, 5999, 6000].map((now) => isEjected(ejectedUntil, now))).toEqual([
      true,
      true,
      true,
      false,
    ])
  })

  it('is never left out when that is switched off', () => {
    fc.assert(
      fc.property(fc.array(fc.nat()), (times) => {
        const off = { ...OPTIONS, failures: 0 }
        expect(times.reduce((state, now) => afterFailure(state, off, now), HEALTHY)).toBe(HEALTHY)
      }),
    )
  })

  it('has whole times and counts that fit 32 bits, however often it fails', () => {
    let state = HEALTHY
    const options = { failures: 1, backoffMs: 1, maxBackoffMs: 2 ** 31 - 1 }
    for (let n = 0; n < 1000; n++) {
      const before = state
      state = afterFailure(state, options, state.ejectedUntil)
      expect(state.ejectedUntil - before.ejectedUntil).toBe(Math.min(2 ** n, options.maxBackoffMs))
      expect(state.ejections).toBeLessThan(2 ** 31)
    }
  })

  it('has a backoff that never shrinks and never passes its limit', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.nat({ max: 1e6 }),
        fc.integer({ min: 1, max: 31 }),
        (base, more, n) => {
          const options = { failures: 1, backoffMs: base, maxBackoffMs: base + more }
          expect(backoffAfter(1, options)).toBe(base)
          expect(backoffAfter(n + 1, options)).toBeGreaterThanOrEqual(backoffAfter(n, options))
          expect(backoffAfter(n, options)).toBeLessThanOrEqual(base + more)
        },
      ),
    )
  })

  it('that is well is not touched by a success', () => {
    expect(afterSuccess(HEALTHY)).toBe(HEALTHY)
  })
})
