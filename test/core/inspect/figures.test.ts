import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { count, isoTime, milliseconds, offsetSeconds } from '../../../src/core/inspect/figures.js'

describe('isoTime', () => {
  it('keeps all nine digits of the second', () => {
    expect(isoTime(1_763_635_398_123_456_789n)).toBe('2025-11-20T10:43:18.123456789Z')
    expect(isoTime(0n)).toBe('1970-01-01T00:00:00.000000000Z')
  })

  it('writes what no calendar has as seconds', () => {
    expect(isoTime(-1n)).toBe('@-1.999999999')
    expect(isoTime((2n ** 64n - 1n) * 1_000_000_000n)).toBe('@18446744073709551615.000000000')
  })

  it('takes any time without failing', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 70n), max: 2n ** 100n }), (timeNs) => {
        expect(isoTime(timeNs)).toMatch(/^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d|@-?\d+)\.\d{9}Z?$/)
      }),
    )
  })
})

describe('durations', () => {
  it('are exact to the nanosecond', () => {
    expect(milliseconds(12_345_678n)).toBe(12.345678)
    expect(offsetSeconds(1_000_000_001n)).toBe('+1.000000001')
    expect(offsetSeconds(-5n)).toBe('-0.000000005')
  })
})

describe('count', () => {
  it('chooses between one and several', () => {
    expect([count(0, 'hole'), count(1, 'hole'), count(2, 'mismatch', 'mismatches')]).toEqual([
      '0 holes',
      '1 hole',
      '2 mismatches',
    ])
  })
})
