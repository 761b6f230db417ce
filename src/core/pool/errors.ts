/** What pools say when they cannot give what was asked for. */

import { messageOf, TidegateError } from '../../errors.js'

export const misuse = (message: string): TidegateError =>
  new TidegateError('misuse', message, { fault: 'usage' })

export const closedError = (what: string): TidegateError =>
  new TidegateError('pool_closed', `${what} is closed`, { fault: 'usage', where: what })

export const fullError = (what: string, why: string): TidegateError =>
  new TidegateError('pool_full', `${what} is full: ${why}`, { fault: 'system', retryable: true, where: what })

export const lateError = (what: string, timeoutMs: number, why: string, cause?: unknown): TidegateError =>
  new TidegateError('acquire_timeout', `${what} had nothing free within ${timeoutMs} ms: ${why}`, {
    fault: 'system',
    retryable: true,
    where: what,
    ...(cause === undefined ? {} : { cause }),
  })

/** `reason` is what the caller's signal was aborted with. */
export const abortedError = (what: string, reason: unknown): TidegateError =>
  new TidegateError('aborted', `waiting for ${what} was aborted: ${messageOf(reason)}`, {
    fault: 'usage',
    where: what,
    cause: reason,
  })

/** What the caller's own function threw: a TidegateError as it is, anything else with the function's name. */
export const functionError = (name: string, thrown: unknown): TidegateError =>
  thrown instanceof TidegateError
    ? thrown
    : new TidegateError('hook_failed', `${name} failed: ${messageOf(thrown)}`, {
        fault: 'hook',
        cause: thrown,
      })

/** @throws TidegateError `value_invalid` unless it is a whole number from `least` on. */
export const checkWhole = (name: string, value: number, least = 0): void => {
  if (Number.isSafeInteger(value) && value >= least) return
  throw new TidegateError('value_invalid', `${name}: ${value} is not a whole number from ${least} on`, {
    fault: 'usage',
    where: name,
  })
}
