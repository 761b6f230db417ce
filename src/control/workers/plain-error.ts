/** Errors between threads. Structured cloning keeps a message and drops what a TidegateError says besides. */

import { type ErrorCode, errnoOf, type Fault, messageOf, TidegateError } from '../../errors.js'

export interface PlainError {
  readonly name: string
  readonly message: string
  readonly stack?: string | undefined
  /** The system's, of an error that is not Tidegate's own. */
  readonly systemCode?: string | undefined
  readonly tidegate?: TidegateFields
  readonly cause?: PlainError
}

interface TidegateFields {
  readonly code: ErrorCode
  readonly fault: Fault
  readonly retryable: boolean
  readonly where: string | undefined
  readonly errno: string | undefined
}

/** A chain of causes can be a circle. */
const MAX_CAUSES = 4

/** Hooks may throw anything, with anything in it: what cannot be read or sent must not become an error of this thread's. */
const textOf = (read: () => unknown): string => {
  try {
    return String(read())
  } catch {
    return ''
  }
}

export const plainError = (thrown: unknown, depth = 0): PlainError => {
  if (!(thrown instanceof Error)) return { name: 'Error', message: textOf(() => messageOf(thrown)) }
  const { cause } = thrown
  const fields =
    thrown instanceof TidegateError
      ? {
          code: thrown.code,
          fault: thrown.fault,
          retryable: thrown.retryable,
          where: thrown.where,
          errno: thrown.errno,
        }
      : undefined
  return {
    name: textOf(() => thrown.name),
    message: textOf(() => thrown.message),
    // Nobody looks at the stack of an error that says what it is, and it is costly to write out.
    stack: fields === undefined ? textOf(() => thrown.stack) : undefined,
    systemCode: fields === undefined ? errnoOf(thrown) : undefined,
    ...(fields === undefined ? {} : { tidegate: fields }),
    ...(cause === undefined || depth >= MAX_CAUSES ? {} : { cause: plainError(cause, depth + 1) }),
  }
}

export const revivedError = ({ name, message, stack, systemCode, tidegate, cause }: PlainError): Error => {
  const causedBy = cause === undefined ? {} : { cause: revivedError(cause) }
  if (tidegate !== undefined) {
    const { code, ...details } = tidegate
    return new TidegateError(code, message, { ...details, ...causedBy })
  }
  const error = new Error(message, causedBy)
  error.name = name
  if (stack !== undefined) error.stack = stack
  return systemCode === undefined ? error : Object.assign(error, { code: systemCode })
}
