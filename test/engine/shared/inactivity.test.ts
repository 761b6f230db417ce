import { expect, it } from 'vitest'
import { Inactivity } from '../../../src/engine/shared/inactivity.js'

const LIMITS = { idleTimeoutMs: 100, halfCloseTimeoutMs: 30 }

it('is idle once nothing has moved for the idle timeout', () => {
  const inactivity = new Inactivity(LIMITS, 0)
  inactivity.moved(50)
  expect(inactivity.deadlineMs).toBe(150)
  expect(inactivity.expired(149)).toBe(null)
  expect(inactivity.expired(150)).toBe('idle_timeout')
})

it('counts the half-close timeout from the first end, or from the last movement after it', () => {
  const inactivity = new Inactivity(LIMITS, 0)
  inactivity.halfClosed(10)
  inactivity.halfClosed(20)
  expect(inactivity.expired(40)).toBe('half_close_timeout')
  inactivity.moved(35)
  expect(inactivity.expired(40)).toBe(null)
  expect(inactivity.deadlineMs).toBe(65)
})

it('does not count the time for which it is held', () => {
  const inactivity = new Inactivity(LIMITS, 0)
  inactivity.halfClosed(10)
  inactivity.hold(20)
  expect(inactivity.deadlineMs).toBe(Number.POSITIVE_INFINITY)
  expect(inactivity.release(1020)).toBe(true)
  expect(inactivity.deadlineMs).toBe(1040)
  expect(inactivity.release(2000)).toBe(false)
})

it('never expires without limits', () => {
  const inactivity = new Inactivity({ idleTimeoutMs: 0, halfCloseTimeoutMs: 0 }, 0)
  inactivity.halfClosed(1)
  expect(inactivity.deadlineMs).toBe(Number.POSITIVE_INFINITY)
  expect(inactivity.expired(1e12)).toBe(null)
})
