/** What the last failure of an endpoint was, as a word that fits into shared memory: a number there, a code for people. */

import { errnoOf } from '../../errors.js'

const CODES = [
  'dial_failed',
  'dial_timeout',
  'upstream_reset',
  'check_failed',
  'unclean',
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EHOSTDOWN',
  'ENOENT',
  'EACCES',
  'EPERM',
  'EAGAIN',
  'EADDRNOTAVAIL',
  'EMFILE',
  'ENFILE',
  'ENOTFOUND',
] as const

/**
 * `dial_timeout`: no answer to a dial in time; a system's code (`ECONNREFUSED`): why a dial failed, `dial_failed` where there
 * is none. `upstream_reset`: it reset a connection without a word. `check_failed`: its checks found it down.
 * `unclean`: a connection that was taken back was not proven clean.
 */
export type FailureCode = (typeof CODES)[number]

const NUMBERS: ReadonlyMap<string, number> = new Map(CODES.map((code, index) => [code, index + 1]))

/** Never 0, which stands for none. */
export const numberOfFailure = (code: FailureCode): number => NUMBERS.get(code) ?? 1

export const failureOfNumber = (number: number): FailureCode | null => CODES[number - 1] ?? null

const isCode = (code: string): code is FailureCode => NUMBERS.has(code)

/** The system's reason where it is known, else the error's own code. */
export const failureCodeOf = (error: Error): FailureCode => {
  const codes = [errnoOf(error.cause), errnoOf(error)]
  return codes.find((code): code is FailureCode => code !== undefined && isCode(code)) ?? 'dial_failed'
}
