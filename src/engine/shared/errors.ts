/**
 * The system's errors in Tidegate's words: one line that says what was tried, where, and what went wrong.
 */

import { type Address, formatAddress } from '../../core/address.js'
import { type ErrorCode, errnoOf, type Fault, messageOf, TidegateError } from '../../errors.js'

interface Translation {
  readonly code: ErrorCode
  readonly fault: Fault
  readonly retryable: boolean
  readonly says: string
}

const refused = (says: string): Translation => ({
  code: 'connection_refused',
  fault: 'peer',
  retryable: true,
  says,
})
const unreachable = (says: string): Translation => ({
  code: 'dial_failed',
  fault: 'peer',
  retryable: true,
  says,
})
const exhausted = (code: ErrorCode, says: string): Translation => ({
  code,
  fault: 'system',
  retryable: true,
  says,
})
const mistaken = (code: ErrorCode, says: string): Translation => ({
  code,
  fault: 'usage',
  retryable: false,
  says,
})
const forbidden: Translation = {
  code: 'permission_denied',
  fault: 'system',
  retryable: false,
  says: 'permission denied',
}

const DIAL: ReadonlyMap<string, Translation> = new Map([
  ['ECONNREFUSED', refused('connection refused')],
  ['ENOENT', refused('there is no such socket')],
  ['ECONNRESET', unreachable('the connection was reset')],
  ['ETIMEDOUT', unreachable('no answer')],
  ['EHOSTUNREACH', unreachable('no route to the host')],
  ['ENETUNREACH', unreachable('the network is unreachable')],
  ['EAGAIN', unreachable('its queue of connections is full')],
  ['ENOTFOUND', mistaken('name_not_found', 'the name does not exist')],
  [
    'EAI_AGAIN',
    { code: 'name_not_found', fault: 'system', retryable: true, says: 'the name server does not answer' },
  ],
  ['EACCES', forbidden],
  ['EPERM', forbidden],
  ['EMFILE', exhausted('dial_failed', 'no file descriptor is left in this process')],
  ['ENFILE', exhausted('dial_failed', 'no file descriptor is left on this machine')],
  ['EADDRNOTAVAIL', exhausted('dial_failed', 'no local port is free, or the address cannot be reached')],
  ['ENOTSOCK', mistaken('dial_failed', 'it is not a socket')],
  ['ENAMETOOLONG', mistaken('dial_failed', 'the path is too long')],
  ['ERR_SOCKET_BAD_PORT', mistaken('dial_failed', 'the port is not one (0-65535)')],
])

const LISTEN: ReadonlyMap<string, Translation> = new Map([
  [
    'EADDRINUSE',
    { code: 'address_in_use', fault: 'system', retryable: true, says: 'the address is already in use' },
  ],
  ['EADDRNOTAVAIL', mistaken('listen_failed', 'the address does not belong to this machine')],
  ['EAFNOSUPPORT', mistaken('listen_failed', 'this machine does not have that kind of address')],
  ['ENOTFOUND', mistaken('name_not_found', 'the name does not exist')],
  [
    'EAI_AGAIN',
    { code: 'name_not_found', fault: 'system', retryable: true, says: 'the name server does not answer' },
  ],
  ['EACCES', forbidden],
  ['EPERM', forbidden],
  ['EMFILE', exhausted('listen_failed', 'no file descriptor is left in this process')],
  ['ENFILE', exhausted('listen_failed', 'no file descriptor is left on this machine')],
  ['ENOENT', mistaken('listen_failed', 'the directory does not exist')],
  ['ENOTDIR', mistaken('listen_failed', 'the path leads through something that is not a directory')],
  ['EROFS', mistaken('listen_failed', 'the file system is read-only')],
  ['EINVAL', mistaken('listen_failed', 'the system does not accept the address')],
  ['ENAMETOOLONG', mistaken('listen_failed', 'the path is too long')],
  ['ERR_SOCKET_BAD_PORT', mistaken('listen_failed', 'the port is not one (0-65535)')],
])

/** A name with several addresses fails with one error for each; the first stands for all. */
const firstOf = (thrown: unknown): unknown =>
  thrown instanceof AggregateError && thrown.errors.length > 0 ? thrown.errors[0] : thrown

const translate = (
  attempt: string,
  address: Address,
  thrown: unknown,
  table: ReadonlyMap<string, Translation>,
  otherwise: ErrorCode,
): TidegateError => {
  const cause = firstOf(thrown)
  const errno = errnoOf(cause)
  const where = formatAddress(address)
  const known = errno === undefined ? undefined : table.get(errno)
  const says = known?.says ?? messageOf(cause)
  const suffix = known === undefined || errno === undefined ? '' : ` (${errno})`
  return new TidegateError(known?.code ?? otherwise, `cannot ${attempt} ${where}: ${says}${suffix}`, {
    fault: known?.fault ?? 'system',
    retryable: known?.retryable ?? true,
    where,
    ...(errno === undefined ? {} : { errno }),
    cause: thrown,
  })
}

export const dialError = (address: Address, thrown: unknown): TidegateError =>
  translate('connect to', address, thrown, DIAL, 'dial_failed')

/** Below this only a privileged process may listen (ip(7), `ip_unprivileged_port_start`). */
const FIRST_UNPRIVILEGED_PORT = 1024

const PRIVILEGED: ReadonlyMap<string, Translation> = new Map([
  ...LISTEN,
  [
    'EACCES',
    { ...forbidden, says: `permission denied: ports below ${FIRST_UNPRIVILEGED_PORT} need a privilege` },
  ],
])

export const listenError = (address: Address, thrown: unknown): TidegateError => {
  const isPrivileged = address.kind === 'tcp' && address.port > 0 && address.port < FIRST_UNPRIVILEGED_PORT
  return translate('listen on', address, thrown, isPrivileged ? PRIVILEGED : LISTEN, 'listen_failed')
}

export const dialTimeout = (address: Address, timeoutMs: number): TidegateError =>
  new TidegateError(
    'dial_timeout',
    `cannot connect to ${formatAddress(address)}: no answer within ${timeoutMs} ms`,
    {
      fault: 'peer',
      retryable: true,
      where: formatAddress(address),
    },
  )

/** What a read or a write meets on a connection that the other side broke. */
export const brokenError = (remote: Address, cause: Error | null): TidegateError => {
  const where = formatAddress(remote)
  const errno = errnoOf(cause)
  const detail = errno === undefined ? '' : ` (${errno})`
  return new TidegateError(
    'connection_reset',
    `the connection with ${where} was broken by the other side${detail}`,
    {
      fault: 'peer',
      retryable: true,
      where,
      ...(errno === undefined ? {} : { errno }),
      ...(cause === null ? {} : { cause }),
    },
  )
}

export const abortedError = (remote: Address): TidegateError =>
  new TidegateError('aborted', `the connection with ${formatAddress(remote)} was closed here meanwhile`, {
    fault: 'usage',
    where: formatAddress(remote),
  })

export const readTimeout = (remote: Address, timeoutMs: number): TidegateError =>
  new TidegateError('read_timeout', `${formatAddress(remote)} sent nothing within ${timeoutMs} ms`, {
    fault: 'peer',
    retryable: true,
    where: formatAddress(remote),
  })

export const misuse = (message: string): TidegateError =>
  new TidegateError('misuse', message, { fault: 'internal' })

/** An observer's own TidegateError stands as it is; anything else becomes `hook_failed`. */
export const hookError = (callback: string, thrown: unknown): TidegateError =>
  thrown instanceof TidegateError
    ? thrown
    : new TidegateError('hook_failed', `${callback} failed: ${messageOf(thrown)}`, {
        fault: 'hook',
        cause: thrown,
      })

/**
 * A callback threw where no link could end with the error. It must not take the process down, nor vanish: Node's
 * warning channel tells whoever listens, on stderr by default.
 */
export const warnOfThrow = (callback: string, thrown: unknown): void => {
  process.emitWarning(`${callback} threw: ${messageOf(thrown)}`, { type: 'TidegateWarning' })
}

/** How a socket says that the other side, or the way to it, is gone. Anything else is worth telling in full. */
const PEER_IS_GONE: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'ECONNABORTED',
  'ENOTCONN',
])

/** An ordinary reset needs no detail in the log: the close reason says it all. */
const ORDINARY_RESET: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED'])

export const isPeerGone = (error: Error | null): boolean =>
  error === null || PEER_IS_GONE.has(errnoOf(error) ?? '')

export const detailOf = (error: Error | null): Error | null =>
  error !== null && ORDINARY_RESET.has(errnoOf(error) ?? '') ? null : error
