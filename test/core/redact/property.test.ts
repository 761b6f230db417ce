import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileRedaction, type RedactRule } from '../../../src/core/redact/redaction.js'
import { byDefinition } from './reference.js'
import { allCuts, cutAt, redacted, redactedChunks } from './support.js'

/** A second or two, and never many on a busy machine; `REDACT_RUNS=20000` for a thorough search. */
const { REDACT_RUNS } = process.env
const BOUNDS =
  REDACT_RUNS === undefined
    ? { numRuns: 80, interruptAfterTimeLimit: 4_000 }
    : { numRuns: Number(REDACT_RUNS) }

/** Few letters, so that random patterns match random texts; a case pair, a digit, a line feed and a byte that is no ASCII. */
const ALPHABET = ['a', 'b', 'A', '0', '\n', '\xff']

/** Each is one byte long. */
const atom = fc.constantFrom(
  ...['a', 'b', 'A', '0', '\\n', '\\xff', '.', '\\d', '\\D', '\\w', '\\W', '\\s', '\\S'],
  ...['[ab]', '[^a]', '[a-b0]', '[^\\n]', '[^\\d]', '[\\x80-\\xff]', '[A\\xff]', '[^\\Wa]'],
)
const count = fc.constantFrom('*', '+', '?', '{2}', '{0}', '{1,}', '{2,}', '{0,2}', '{1,3}', '{2,4}')

/** Long enough for windows that skip. */
const word = fc.string({ unit: fc.constantFrom('a', 'b', 'A', '.'), minLength: 2, maxLength: 6 })

const { pattern } = fc.letrec<{ pattern: string; branch: string; part: string }>((tie) => ({
  part: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    atom,
    word,
    fc.tuple(atom, count).map(([item, times]) => item + times),
    fc.tuple(fc.constantFrom('(?:', '(', '(?<name>'), tie('pattern'), count).map(([open, inner, times]) => {
      return `${open.replace('name', 'n')}${inner.replaceAll('?<n>', '?:')})${times}`
    }),
    tie('pattern').map((inner) => `(?:${inner})`),
  ),
  branch: fc.array(tie('part'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('')),
  pattern: fc.array(tie('branch'), { minLength: 1, maxLength: 3 }).map((branches) => branches.join('|')),
}))

const unnamed = (source: string): string => source.replaceAll('(?<n>', '(?:')
const nonEmpty = pattern.map(unnamed).filter((source) => !new RegExp(`^(?:${source})$`).test(''))

const rules: fc.Arbitrary<RedactRule[]> = fc.array(
  fc.record({ pattern: nonEmpty, after: fc.option(nonEmpty), ignoreCase: fc.boolean() }),
  { minLength: 1, maxLength: 3 },
)
/** Random counts inside counts may come to more than a rule is allowed: it is refused, in words, and is no matter of this. */
const TOO_LARGE = /more than \d+ (places for a byte|ways from byte to byte)/
const compiled = (some: readonly RedactRule[]): ReturnType<typeof compileRedaction> => {
  try {
    return compileRedaction(some)
  } catch (thrown) {
    fc.pre(!TOO_LARGE.test(String(thrown)))
    throw thrown
  }
}

const text = (maxLength: number) => fc.string({ unit: fc.constantFrom(...ALPHABET), maxLength })

describe('for any rules', () => {
  it('what is masked is what is in a match, however the text was cut', () => {
    fc.assert(
      fc.property(rules, text(8), (some, input) => {
        const expected = byDefinition(some, input)
        const redaction = compiled(some)
        for (const chunks of allCuts(input)) {
          const actual = redactedChunks(redaction, chunks)
          if (actual !== expected) expect(actual).toBe(expected)
        }
      }),
      BOUNDS,
    )
  })

  it('so it is in longer texts', () => {
    const input = text(40).chain((whole) =>
      fc.tuple(fc.constant(whole), fc.array(fc.nat(whole.length), { maxLength: 12 })),
    )
    fc.assert(
      fc.property(rules, input, (some, [whole, places]) => {
        const expected = byDefinition(some, whole)
        const redaction = compiled(some)
        expect(redacted(redaction, whole)).toBe(expected)
        const cuts = places.toSorted((a, b) => a - b)
        expect(redactedChunks(redaction, cutAt(whole, cuts))).toBe(expected)
      }),
      BOUNDS,
    )
  })
})
