/**
 * How durations and sizes are written.
 *
 *     duration  = "0" / number ( "ms" / "s" / "m" / "h" / "d" )      ; kept in whole milliseconds
 *     size      = "0" / number ( "B" / "KiB" / "MiB" / "GiB" )       ; kept in whole bytes
 *     number    = digits [ "." digits ]                              ; `1.5s` is fine, `0.5ms` is not whole
 *
 * Units are case-sensitive, and KB or k are refused: people mean both 1000 and 1024 by them.
 */

import { TidegateError } from '../errors.js'
import { MAX_DURATION_MS } from './defaults.js'

export const DURATION_EXAMPLES = 'e.g. 500ms, 30s, 5m, 1h'
export const SIZE_EXAMPLES = 'e.g. 4096B, 64KiB, 256MiB, 1GiB'

/** The same grammars for editors (JSON Schema `pattern`). */
export const DURATION_PATTERN = '^(0|\\d+(\\.\\d+)?(ms|s|m|h|d))$'
export const SIZE_PATTERN = '^(0|\\d+(\\.\\d+)?(B|KiB|MiB|GiB))$'

type Units = readonly (readonly [unit: string, factor: number])[]

/** Largest first: the first that divides a value is the one to write it in. */
const DURATION_UNITS: Units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
]

const SIZE_UNITS: Units = [
  ['GiB', 1024 ** 3],
  ['MiB', 1024 ** 2],
  ['KiB', 1024],
  ['B', 1],
]

interface Quantity {
  readonly noun: string
  readonly units: Units
  readonly smallest: string
  readonly max: number
  readonly tooBig: string
  readonly expected: string
}

const DURATION: Quantity = {
  noun: 'duration',
  units: DURATION_UNITS,
  smallest: 'a millisecond',
  max: MAX_DURATION_MS,
  tooBig: 'is longer than a timer can wait; expected at most 24d',
  expected: `expected ${DURATION_EXAMPLES}`,
}

const SIZE: Quantity = {
  noun: 'size',
  units: SIZE_UNITS,
  smallest: 'a byte',
  max: Number.MAX_SAFE_INTEGER,
  tooBig: 'is more than can be counted; expected at most 8388607GiB',
  expected: `expected ${SIZE_EXAMPLES}`,
}

const invalid = (text: string, why: string): TidegateError =>
  new TidegateError('value_invalid', `'${text}' ${why}`, { fault: 'usage', where: text })

/** Exact where `Number` is not: 1.001s is 1001 ms, though 1.001 * 1000 is 1000.9999999999999. */
const multiply = (whole: string, decimals: string, factor: number): bigint | null => {
  const scale = 10n ** BigInt(decimals.length)
  const scaled = BigInt(whole + decimals) * BigInt(factor)
  return scaled % scale === 0n ? scaled / scale : null
}

/** More digits than any value in range needs; bounds the arithmetic. */
const MAX_TEXT_LENGTH = 40

const parse = (text: string, quantity: Quantity): number => {
  if (text === '0') return 0
  const { noun, units, expected } = quantity
  const match = text.length > MAX_TEXT_LENGTH ? null : /^(\d+)(?:\.(\d+))?([A-Za-z]*)$/.exec(text)
  if (!match) throw invalid(text.slice(0, MAX_TEXT_LENGTH), `is not a ${noun}; ${expected}`)
  const [, whole = '', decimals = '', unit = ''] = match
  if (unit === '') throw invalid(text, `has no unit; ${expected}`)
  const factor = units.find(([name]) => name === unit)?.[1]
  if (factor === undefined) throw invalid(text, `is not a ${noun}; ${expected}`)
  const value = multiply(whole, decimals, factor)
  if (value === null) throw invalid(text, `is finer than ${quantity.smallest}; ${expected}`)
  if (value > BigInt(quantity.max)) throw invalid(text, quantity.tooBig)
  return Number(value)
}

const format = (value: number, { units }: Quantity): string => {
  if (value === 0) return '0'
  const [unit, factor] = units.find(([, size]) => value % size === 0) ?? ['', 1]
  return `${value / factor}${unit}`
}

/** Milliseconds of `500ms`, `30s`, `5m`, `1h`, `1d`; at most 24.8 days. @throws TidegateError `value_invalid`. */
export const parseDuration = (text: string): number => parse(text, DURATION)

/** The shortest text without decimals that {@link parseDuration} reads back to the same whole milliseconds. */
export const formatDuration = (milliseconds: number): string => format(milliseconds, DURATION)

/** Bytes of `512B`, `64KiB`, `256MiB`, `1GiB`. @throws TidegateError `value_invalid`. */
export const parseSize = (text: string): number => parse(text, SIZE)

/** The shortest text without decimals that {@link parseSize} reads back to the same whole bytes. */
export const formatSize = (bytes: number): string => format(bytes, SIZE)

const checkNumber = (value: number, { noun, max, tooBig, expected }: Quantity): number => {
  if (!Number.isInteger(value) || value < 0) throw invalid(String(value), `is not a ${noun}; ${expected}`)
  if (value > max) throw invalid(String(value), tooBig)
  return value
}

/** A whole, non-negative number of milliseconds within range, or it throws as {@link parseDuration}. */
export const checkMilliseconds = (value: number): number => checkNumber(value, DURATION)

/** A whole, non-negative number of bytes, or it throws as {@link parseSize}. */
export const checkBytes = (value: number): number => checkNumber(value, SIZE)
