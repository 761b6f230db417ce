import { expect, it } from 'vitest'
import { SessionCounters } from '../../../src/core/session/counters.js'

it('counts what is open, what has ended and why, and the bytes of what has ended', () => {
  const counters = new SessionCounters()
  counters.opened()
  counters.opened()
  counters.opened()
  counters.closed('client_fin', { upstream: 3, downstream: 5 })
  counters.closed('client_fin', { upstream: 10, downstream: 0 })
  expect(counters.snapshot()).toEqual({
    accepted: 3,
    active: 1,
    closed: { client_fin: 2 },
    bytes: { upstream: 13, downstream: 5 },
  })
})
