import { expect, it } from 'vitest'
import { Episode, QUIET_MS } from '../../../src/core/record/episode.js'

it('an episode is news once, and over when the trouble has stayed away', () => {
  const episode = new Episode()
  expect(episode.comes(0, 100)).toBe(true)
  expect(episode.goes(10, 130)).toBe(null)
  expect(episode.comes(20, 130)).toBe(false)
  expect(episode.goes(20 + QUIET_MS - 1, 150)).toBe(null)
  expect(episode.goes(20 + QUIET_MS, 150)).toBe(50)
  expect(episode.goes(30 + QUIET_MS, 150)).toBe(null)
  expect(episode.comes(40 + QUIET_MS, 150)).toBe(true)
})

it('without a trouble nothing is over', () => {
  expect(new Episode().goes(0, 0)).toBe(null)
})
