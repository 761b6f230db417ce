/** A rule with more states than are kept: they are forgotten and made anew while streams stand in them. */

import { describe, expect, it } from 'vitest'
import { AutomatonBuilder } from '../../../src/core/redact/automaton.js'
import { readPattern } from '../../../src/core/redact/pattern.js'
import { Ranges } from '../../../src/core/redact/ranges.js'
import type { RedactOut } from '../../../src/core/redact/redaction.js'
import { Skipper } from '../../../src/core/redact/skip.js'
import { States } from '../../../src/core/redact/states.js'
import { ByteStream, type Shared } from '../../../src/core/redact/stream.js'
import { bytesOf, latin1Of } from './support.js'

/** Random letters, always the same. */
const textOf = (length: number, seed: number): string => {
  let state = seed
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    const draw = state >>> 16
    return draw % 53 === 0 ? 'c' : draw % 2 === 0 ? 'a' : 'b'
  }).join('')
}

const PATTERN = 'a[ab]{24}c'

/** All matches are of one length, so the places where one begins say it all. */
const expectedOf = (text: string): string => {
  const masked = Array.from(text)
  for (const { index } of text.matchAll(new RegExp(`(?=${PATTERN})`, 'g')))
    masked.fill('*', index, index + 26)
  return masked.join('')
}

const sharedOf = (pattern: string): Shared => {
  const builder = new AutomatonBuilder()
  builder.addPattern(readPattern(pattern, false), null)
  const automaton = builder.finish()
  return {
    states: new States(automaton, 20_000),
    skipper: new Skipper(automaton),
    ranges: new Ranges(),
    maskByte: 0x2a,
    masked: bytesOf('*'.repeat(100)),
  }
}

describe('states that are forgotten', () => {
  it('are found again by each stream that was in one', () => {
    const shared = sharedOf(PATTERN)
    const streams = [1, 2].map((seed) => {
      const text = textOf(6_000, seed)
      const parts: string[] = []
      const out: RedactOut = (bytes, from, to) => parts.push(latin1Of(bytes.subarray(from, to)))
      return { text, parts, out, redact: new ByteStream(shared) }
    })
    for (let at = 0; at < 6_000; at += 50) {
      for (const { text, redact, out } of streams) redact.push(bytesOf(text.slice(at, at + 50)), out)
    }
    for (const { redact, out } of streams) redact.end(out)
    expect(shared.states.generation).toBeGreaterThan(3)
    for (const { text, parts } of streams) {
      expect(parts.join('')).toContain('*')
      expect(parts.join('')).toBe(expectedOf(text))
    }
  })
})
