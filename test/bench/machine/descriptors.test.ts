import { expect, it } from 'vitest'
import { connectionsWithin } from '../../../bench/machine/descriptors.js'

it('as many connections as descriptors allow, less what is needed for other things', () => {
  expect(connectionsWithin(2, 8100)).toBe(4000)
  expect(connectionsWithin(6, 8100)).toBe(1333)
  expect(connectionsWithin(2, 64)).toBe(1)
  expect(connectionsWithin(2, Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY)
})

it('few connections where each is a process', () => {
  expect(connectionsWithin(0, 8100)).toBe(500)
})
