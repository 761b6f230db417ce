/** What a pattern can say: each kind of piece on a text that has what it takes and what it does not. */

import { describe, expect, it } from 'vitest'
import { compileRedaction, type RedactRule } from '../../../src/core/redact/redaction.js'
import { failureOf, latin1Of, redacted, rule } from './support.js'

const masked = (pattern: string, latin1: string, options: Partial<RedactRule> = {}): string =>
  redacted(compileRedaction([rule(pattern, options)]), latin1)

const utf8 = (text: string): string => latin1Of(new TextEncoder().encode(text))

describe('a pattern takes', () => {
  it.each([
    ['letters as they are', 'abc', 'xabcx ABC', 'x***x ABC'],
    ['escaped syntax', '\\{\\$\\.\\*\\/\\}', 'a{$.*/}b', 'a******b'],
    ['control characters', '\\t\\n\\v\\f\\r\\0\\cA', 'a\t\n\v\f\r\0\x01b', 'a*******b'],
    ['a byte by its number', '\\x00\\xfe', '\x00\xfe\x00', '**\x00'],
    ['any byte but a line feed', 'a.', 'a\xff a\x00 a\r a\n', '** ** ** a\n'],
    ['digits', '\\d', 'a09/:', 'a**/:'],
    ['all but digits', '\\D', 'a0\xff', '*0*'],
    ['word characters', '\\w', 'aZ_9-\xe9', '****-\xe9'],
    ['all but word characters', '\\W', 'a-\xe9', 'a**'],
    ['white space', 'a\\sb', 'a b a\tb a\rb a\vb a\xa0b', '*** *** *** *** a\xa0b'],
    ['all but white space', '\\S', 'a \xa0', '* *'],
    ['a class', '[a-c.\\-\\]]', 'abcd.-]', '***d***'],
    ['a class of escapes', '[\\d\\x80-\\xff\\n]', 'a1\x7f\x80\xff\n', 'a*\x7f***'],
    ['all but a class', '[^a\\n]', 'ab\n\xff', 'a*\n*'],
    ['alternatives', 'ab|cd', 'abcdac', '****ac'],
    ['groups, captured, named or not', '(a)(?:b)(?<name>c)', 'abc ab', '*** ab'],
    ['any number', 'ab*c', 'ac abbc abb', '** **** abb'],
    ['one or more', 'ab+c', 'ac abbc', 'ac ****'],
    ['one or none', 'ab?c', 'ac abc abbc', '** *** abbc'],
    ['a count', '(?:ab){2}', 'ab abab', 'ab ****'],
    ['a least count', 'a{2,}', 'a aa aaaaa', 'a ** *****'],
    ['a span of counts', 'xa{1,2}x', 'xx xax xaax xaaax', 'xx *** **** xaaax'],
    ['repetitions inside repetitions', 'x(?:a{1,2}b)+', 'xaabab xb', '****** xb'],
    ['what is repeated no times', 'ab{0}(?:c{0})*d', 'ad abd', '** abd'],
  ])('%s', (_, pattern, input, expected) => {
    expect(masked(pattern, input)).toBe(expected)
  })

  it('characters beyond ASCII as their UTF-8', () => {
    expect(masked('passé', `${utf8('passé')} pass\xe9`)).toBe('****** pass\xe9')
    expect(masked('é+', utf8('xéé'))).toBe('x****')
    expect(masked('\\u00e9', utf8('é'))).toBe('**')
    expect(masked('🔑{2}', utf8('🔑🔑🔑'))).toBe('*'.repeat(12))
    expect(masked('\\u{1F511}', utf8('🔑'))).toBe('****')
    expect(masked('\\xe9', utf8('é'))).toBe(utf8('é'))
  })

  it('either case of ASCII letters with ignoreCase, and of no others', () => {
    const ignoreCase = true
    expect(masked('Key[a-c]', 'kEYb KEYD', { ignoreCase })).toBe('**** KEYD')
    expect(masked('x[^a]', 'XA xa Xb', { ignoreCase })).toBe('XA xa **')
    expect(masked('\\x6b', 'K', { ignoreCase })).toBe('*')
    expect(masked('\\xe9', '\xc9\xe9', { ignoreCase })).toBe('\xc9*')
    expect(masked('é', utf8('Éé'), { ignoreCase })).toBe(`${utf8('É')}**`)
    expect(masked('[@-\\[]', '`{@[a', { ignoreCase })).toBe('`{***')
    expect(masked('a', 'Aa')).toBe('A*')
  })
})

describe('a pattern is refused', () => {
  it.each([
    ['a(b', 'character 4: unterminated group'],
    ['a)', 'character 2: unmatched'],
    ['[a', 'character 3: unterminated character class'],
    ['*a', 'character 2: nothing to repeat'],
    ['a{2,1}', 'character 7: numbers out of order'],
    ['a{', 'character 3: incomplete quantifier'],
    ['\\', 'character 2: invalid escape'],
    ['a\\-', 'character 3: invalid escape'],
    ['^a', "character 1: '^' looks around"],
    ['a$', "character 2: '$' looks around"],
    ['\\ba', "character 1: '\\b' looks around"],
    ['a(?=b)', "character 2: '(?=b)' looks around"],
    ['(?<!a)b', "character 1: '(?<!a)' looks around"],
    ['(a)\\1', "character 4: '\\1' refers to a group"],
    ['(?<x>a)\\k<x>', "character 8: '\\k<x>' refers to a group"],
    ['"a*?"', "character 2: 'a*?' is lazy"],
    ['[é]', "character 2: 'é' is several bytes"],
    ['[a-é]', "character 4: 'é' is several bytes"],
    ['\\p{L}', "character 1: '\\p{L}' is a class of characters"],
    ['[\\p{L}]', "character 2: '\\p{L}' is a class of characters"],
    ['\\ud83d', "character 1: '\\ud83d' is half a character"],
    ['a[]', "character 2: '[]' takes no byte"],
    ['[^\\x00-\\xff]', "character 1: '[^\\x00-\\xff]' takes no byte"],
    ['', 'matches the empty string'],
    ['a*', 'matches the empty string'],
    ['(?:a|b?){3}', 'matches the empty string'],
    ['a{0}', 'matches the empty string'],
    ['a{5000}', 'more than 4096 places'],
    ['(?:a{100}){100}', 'more than 4096 places'],
    ['(?:a?){400}', 'more than 65536 ways'],
  ])('/%s/', (pattern, reason) => {
    for (const field of ['pattern', 'after'] as const) {
      const rules = [rule('a'), rule('b', { [field]: pattern })]
      const failure = failureOf(() => compileRedaction(rules))
      expect(failure).toMatchObject({ code: 'value_invalid', fault: 'usage', where: `rules[1].${field}` })
      expect(failure.message).toContain(`redaction rule 2, ${field} `)
      expect(failure.message.toLowerCase()).toContain(reason.toLowerCase())
    }
  })

  it('by a message that says what was expected, shows it as it was written, and is one short line', () => {
    expect(failureOf(() => compileRedaction([rule('a\n\\-')])).message).toBe(
      'redaction rule 1, pattern /a\\x0a\\-/ at character 4: invalid escape; ' +
        'expected the syntax of JavaScript regular expressions with the u flag',
    )
    expect(failureOf(() => compileRedaction([rule(`${'a'.repeat(500)}(`)])).message.length).toBeLessThan(250)
  })

  it('longer than 4,096 characters', () => {
    expect(failureOf(() => compileRedaction([rule('a'.repeat(4_097))])).message).toContain('longer than 4096')
  })

  it('nested too deeply', () => {
    const nested = (depth: number): string => `${'('.repeat(depth)}a${')'.repeat(depth)}`
    expect(masked(`(?:${nested(100)})+`, 'baab')).toBe('b**b')
    expect(failureOf(() => masked(nested(2_000), '')).message).toContain('groups are nested too deeply')
  })

  it('or a mask that is no byte', () => {
    for (const mask of [-1, 256, 1.5, Number.NaN]) {
      expect(failureOf(() => compileRedaction([], mask)).message).toBe(
        `mask ${mask} is not a byte; expected 0 to 255`,
      )
    }
  })
})
