/** How a command ends badly: one clear line on stderr, and an exit code that scripts can trust. */

import { type ErrorCode, messageOf, TidegateError } from '../errors.js'

/** Exit codes: 0 fine, 1 the work failed, 2 the command was used wrongly. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

const USAGE_CODES: ReadonlySet<ErrorCode> = new Set([
  'address_invalid',
  'config_invalid',
  'usage',
  'value_invalid',
])

/** 2 when the user has to write the command or the config differently, else 1. */
export const exitCodeOf = (thrown: unknown): ExitCode =>
  thrown instanceof TidegateError && USAGE_CODES.has(thrown.code) ? EXIT.usage : EXIT.failed

/** The text for stderr: the message, without a stack, each line of it led by the program's name. */
export const failureText = (thrown: unknown): string =>
  messageOf(thrown)
    .split('\n')
    .map((line) => `tidegate: ${line}\n`)
    .join('')

export const usageError = (message: string): TidegateError =>
  new TidegateError('usage', message, { fault: 'usage' })
