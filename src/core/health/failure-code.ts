/** What went wrong with an endpoint last, as a word. */

export const FAILURE_CODES = [
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
export type FailureCode = (typeof FAILURE_CODES)[number]
