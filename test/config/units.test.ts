import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_DURATION_MS } from '../../src/config/defaults.js'
import {
  checkBytes,
  checkMilliseconds,
  DURATION_PATTERN,
  formatDuration,
  formatSize,
  parseDuration,
  parseSize,
  SIZE_PATTERN,
} from '../../src/config/units.js'
import { TidegateError } from '../../src/errors.js'

const failure = (run: () => unknown): TidegateError => {
  try {
    run()
  } catch (error) {
    if (error instanceof TidegateError) return error
  }
  throw new Error('expected a TidegateError')
}

describe('durations', () => {
  it.each([
    ['0', 0],
    ['0s', 0],
    ['1ms', 1],
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['24d', 24 * 86_400_000],
    ['1.5s', 1500],
    ['1.001s', 1001],
    ['0.25h', 900_000],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  it.each([
    ['10 minutes', "'10 minutes' is not a duration; expected e.g. 500ms, 30s, 5m, 1h"],
    ['', "'' is not a duration; expected e.g. 500ms, 30s, 5m, 1h"],
    ['-5s', "'-5s' is not a duration; expected e.g. 500ms, 30s, 5m, 1h"],
    ['5M', "'5M' is not a duration; expected e.g. 500ms, 30s, 5m, 1h"],
    ['1h30m', "'1h30m' is not a duration; expected e.g. 500ms, 30s, 5m, 1h"],
    ['.5s', "'.5s' is not a duration; expected e.g. 500ms, 30s, 5m, 1h"],
    ['1e3s', "'1e3s' is not a duration; expected e.g. 500ms, 30s, 5m, 1h"],
    ['30', "'30' has no unit; expected e.g. 500ms, 30s, 5m, 1h"],
    ['0.5ms', "'0.5ms' is finer than a millisecond; expected e.g. 500ms, 30s, 5m, 1h"],
    ['25d', "'25d' is longer than a timer can wait; expected at most 24d"],
  ])('%j is refused in one clear line', (text, message) => {
    const error = failure(() => parseDuration(text))
    expect(error).toMatchObject({ code: 'value_invalid', fault: 'usage', message })
  })

  it('the longest is what a timer of Node can wait', () => {
    expect(parseDuration(`${MAX_DURATION_MS}ms`)).toBe(2_147_483_647)
    expect(failure(() => parseDuration(`${MAX_DURATION_MS + 1}ms`)).code).toBe('value_invalid')
    expect(failure(() => checkMilliseconds(MAX_DURATION_MS + 1)).code).toBe('value_invalid')
  })

  it('every whole number of milliseconds is written so that it reads back the same', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: MAX_DURATION_MS }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms)
        expect(formatDuration(ms)).toMatch(new RegExp(DURATION_PATTERN))
      }),
    )
  })

  it('the largest unit that fits is used', () => {
    expect([0, 1500, 60_000, 90_000, 86_400_000].map(formatDuration)).toEqual([
      '0',
      '1500ms',
      '1m',
      '90s',
      '1d',
    ])
  })

  it('any text is either a duration within range or refused with value_invalid', () => {
    const nearly = fc.stringMatching(/^[\d.]{0,12} ?(ms|s|m|h|d|x|)$/)
    fc.assert(
      fc.property(fc.oneof(fc.string(), nearly), (text) => {
        try {
          const ms = parseDuration(text)
          expect(Number.isInteger(ms) && ms >= 0 && ms <= MAX_DURATION_MS).toBe(true)
        } catch (error) {
          expect(error).toMatchObject({ code: 'value_invalid' })
        }
      }),
    )
  })

  it('a text of many digits is refused without being computed', () => {
    const error = failure(() => parseDuration(`${'9'.repeat(100_000)}s`))
    expect(error.message.length).toBeLessThan(120)
  })
})

describe('sizes', () => {
  it.each([
    ['0', 0],
    ['1B', 1],
    ['64KiB', 65_536],
    ['256MiB', 268_435_456],
    ['1GiB', 1_073_741_824],
    ['1.5KiB', 1536],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes)
  })

  it.each(['64KB', '64k', '64K', '64kib', '64 KiB', '-1B', 'KiB', '1TB'])(
    '%j is refused, and the message says what is accepted',
    (text) => {
      const { message } = failure(() => parseSize(text))
      expect(message).toBe(`'${text}' is not a size; expected e.g. 4096B, 64KiB, 256MiB, 1GiB`)
    },
  )

  it('part of a byte is refused', () => {
    expect(failure(() => parseSize('0.3KiB')).message).toContain('finer than a byte')
  })

  it('more than JavaScript counts exactly is refused', () => {
    expect(parseSize('8388607GiB')).toBeLessThan(Number.MAX_SAFE_INTEGER)
    expect(failure(() => parseSize('8388608GiB')).message).toContain('more than can be counted')
  })

  it('every number of bytes is written so that it reads back the same', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (bytes) => {
        expect(parseSize(formatSize(bytes))).toBe(bytes)
        expect(formatSize(bytes)).toMatch(new RegExp(SIZE_PATTERN))
      }),
    )
  })

  it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])('%d is no number of bytes', (value) => {
    expect(failure(() => checkBytes(value)).code).toBe('value_invalid')
  })
})
