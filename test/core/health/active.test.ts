import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { afterCheck, type CheckRules, type CheckState, UNCHECKED } from '../../../src/core/health/active.js'
import { checkTransition } from '../../../src/core/health/transitions.js'

const RULES: CheckRules = { rise: 2, fall: 3 }

/** The messages that checks bring about, `.` for none; `+` passed, `-` failed. */
const messagesOf = (results: string, rules = RULES): readonly string[] => {
  let state: CheckState = UNCHECKED
  return [...results].map((result) => {
    const next = afterCheck(state, result === '+', rules)
    const transition = checkTransition(state, next, rules, 'connection refused')
    state = next
    return transition?.message ?? '.'
  })
}

const DOWN = 'endpoint down: 3 failed checks: connection refused'
const UP = 'endpoint up: 2 passed checks'

describe('an endpoint that is checked', () => {
  it.each<[string, readonly string[]]>([
    ['+++', ['.', '.', '.']],
    ['---', ['.', '.', DOWN]],
    ['--+--', ['.', '.', '.', '.', '.']],
    ['--+---', ['.', '.', '.', '.', '.', DOWN]],
    ['---++', ['.', '.', DOWN, '.', UP]],
    ['---+-+-++', ['.', '.', DOWN, '.', '.', '.', '.', '.', UP]],
    ['------++', ['.', '.', DOWN, '.', '.', '.', '.', UP]],
    ['---++--', ['.', '.', DOWN, '.', UP, '.', '.']],
    ['---++---', ['.', '.', DOWN, '.', UP, '.', '.', DOWN]],
  ])('after %s says %j', (results, messages) => {
    expect(messagesOf(results)).toEqual(messages)
  })

  it('with rise and fall of 1 is what the last check says', () => {
    expect(messagesOf('-+-', { rise: 1, fall: 1 })).toEqual([
      'endpoint down: 1 failed check: connection refused',
      'endpoint up: 1 passed check',
      'endpoint down: 1 failed check: connection refused',
    ])
  })

  it('goes down or up exactly when that many results in a row say otherwise', () => {
    const count = fc.integer({ min: 1, max: 5 })
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 60 }), count, count, (results, rise, fall) => {
        let state = UNCHECKED
        let since = 0
        results.forEach((passed, at) => {
          const before = state
          state = afterCheck(state, passed, { rise, fall })
          const needed = before.isDown ? rise : fall
          const last = results.slice(Math.max(since, at + 1 - needed), at + 1)
          const turns = last.length === needed && last.every((each) => each === before.isDown)
          expect(state.isDown !== before.isDown).toBe(turns)
          if (turns) since = at + 1
        })
      }),
    )
  })

  it('keeps the same state while nothing changes', () => {
    expect(afterCheck(UNCHECKED, true, RULES)).toBe(UNCHECKED)
  })
})
