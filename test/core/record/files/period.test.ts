import { expect, it } from 'vitest'
import { nextPeriod } from '../../../../src/core/record/files/period.js'

const at = (text: string): number => Date.parse(`2026-05-06T${text}Z`)
const HOUR = 3_600_000

it.each([
  ['10:17:00', HOUR, '11:00:00'],
  ['10:00:00', HOUR, '11:00:00'],
  ['23:59:59.999', HOUR, '24:00:00'],
  ['10:00:00', 7 * HOUR, '14:00:00'],
  ['22:00:00', 7 * HOUR, '24:00:00'],
  ['22:00:00', 24 * HOUR, '24:00:00'],
  ['00:00:03', 2000, '00:00:04'],
])('after %s, in periods of %i ms, comes %s', (now, period, next) => {
  expect(nextPeriod(at(now), period)).toBe(at(next))
})

it('counts periods of several days from 1970', () => {
  const week = 7 * 24 * HOUR
  expect(nextPeriod(0, week)).toBe(week)
  expect(nextPeriod(week - 1, week)).toBe(week)
  expect(nextPeriod(week, week)).toBe(2 * week)
})
