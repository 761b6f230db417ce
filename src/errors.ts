/**
 * The one error type that leaves Tidegate. Everything a caller may want to decide on is a field, so nobody
 * has to read the message: a stable `code`, whose `fault` it is, whether trying again can help, the `cause`.
 */

/** Who has to change something for the error to go away. */
export type Fault =
  /** The user: a wrong address, a config mistake, a file that is not a recording. Exit code 2 or 1. */
  | 'usage'
  /** The other end of a connection: refused, reset, silent. */
  | 'peer'
  /** The machine: no permission, no space, no descriptors, port taken. */
  | 'system'
  /** The caller's own hook or observer threw. */
  | 'hook'
  /** Tidegate itself. Please report it. */
  | 'internal'

export type ErrorCode =
  | 'address_invalid'
  | 'aborted'
  | 'acquire_timeout'
  | 'address_in_use'
  | 'config_invalid'
  | 'connection_refused'
  | 'connection_reset'
  | 'dial_failed'
  | 'dial_timeout'
  | 'endpoint_down'
  | 'engine_unavailable'
  | 'file_damaged'
  | 'file_unreadable'
  | 'file_unwritable'
  | 'format_unknown'
  | 'hook_failed'
  | 'index_missing'
  | 'listen_failed'
  | 'misuse'
  | 'name_not_found'
  | 'not_found'
  | 'permission_denied'
  | 'pool_closed'
  | 'pool_full'
  | 'proxy_header_invalid'
  | 'queue_full'
  | 'queue_timeout'
  | 'read_timeout'
  | 'usage'
  | 'value_invalid'
  | 'wake_failed'
  | 'worker_failed'
  | 'write_failed'

export interface ErrorDetails {
  /** Whose fault it is; see {@link Fault}. */
  readonly fault: Fault
  /** Whether the same call may succeed later without anybody changing anything. Default false. */
  readonly retryable?: boolean
  /** Where: a config path, an address, a file with its offset. */
  readonly where?: string
  /** The system's own name for it (`ECONNREFUSED`, `ENOSPC`), where there is one. */
  readonly errno?: string
  readonly cause?: unknown
}

/** Every error Tidegate throws or hands to a callback. The message is one line, for people. */
export class TidegateError extends Error {
  override readonly name = 'TidegateError'
  readonly code: ErrorCode
  readonly fault: Fault
  readonly retryable: boolean
  readonly where: string | undefined
  readonly errno: string | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.fault = details.fault
    this.retryable = details.retryable ?? false
    this.where = details.where
    this.errno = details.errno
  }
}

/** What to print of anything that was thrown: its message, or itself as text. Never a stack. */
export const messageOf = (thrown: unknown): string =>
  thrown instanceof Error ? thrown.message : String(thrown)

/** The system's error name (`ECONNRESET`) carried by a Node error, if it carries one. */
export const errnoOf = (thrown: unknown): string | undefined => {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return undefined
  return typeof thrown.code === 'string' ? thrown.code : undefined
}
