/** What the last failure of an endpoint was, as a word that fits into shared memory: a number there, a code for people. */

import { FAILURE_CODES, type FailureCode } from '../../core/health/failure-code.js'
import { errnoOf } from '../../errors.js'

export type { FailureCode }

const NUMBERS: ReadonlyMap<string, number> = new Map(FAILURE_CODES.map((code, index) => [code, index + 1]))

/** Never 0, which stands for none. */
export const numberOfFailure = (code: FailureCode): number => NUMBERS.get(code) ?? 1

export const failureOfNumber = (number: number): FailureCode | null => FAILURE_CODES[number - 1] ?? null

const isCode = (code: string): code is FailureCode => NUMBERS.has(code)

/** The system's reason where it is known, else the error's own code. */
export const failureCodeOf = (error: Error): FailureCode => {
  const codes = [errnoOf(error.cause), errnoOf(error)]
  return codes.find((code): code is FailureCode => code !== undefined && isCode(code)) ?? 'dial_failed'
}
