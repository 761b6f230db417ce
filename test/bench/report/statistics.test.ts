import { describe, expect, it } from 'vitest'
import { median, medians, ratios } from '../../../bench/report/statistics.js'

describe('the median', () => {
  it('is the middle value, whatever the order, or the mean of the middle two', () => {
    expect(median([3, 1, 100])).toBe(3)
    expect(median([10, 2, 4, 1])).toBe(3)
    expect(median([7])).toBe(7)
  })

  it('sorts by number, not by text', () => {
    expect(median([9, 10, 11])).toBe(10)
  })

  it('of nothing is an error', () => {
    expect(() => median([])).toThrow('no values')
  })

  it('is taken of each metric on its own', () => {
    expect(
      medians([
        { rate: 1, p99: 30 },
        { rate: 3, p99: 10 },
        { rate: 2, p99: 20 },
      ]),
    ).toEqual({ rate: 2, p99: 20 })
  })
})

describe('ratios', () => {
  it('are to the same metric of the baseline', () => {
    expect(ratios({ rate: 3, p99: 10 }, { rate: 2, p99: 40 })).toEqual({ rate: 1.5, p99: 0.25 })
  })

  it('leave out what the baseline lacks or has none of', () => {
    expect(ratios({ rate: 3, p99: 10 }, { rate: 0 })).toEqual({})
  })
})
