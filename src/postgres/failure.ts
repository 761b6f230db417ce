/**
 * What goes wrong with a database, in one line: whose fault it is, and what to do about it.
 *
 * - usage: it will not get better by itself: a wrong password, no such database, no privilege
 * - away: it may be there again later: refused, silent, shutting down, full
 */

import { type ErrorCode, errnoOf, messageOf, TidegateError } from '../errors.js'

/** SQLSTATEs (PostgreSQL manual, appendix A) that are for whoever wrote the URL, or runs the database, to mend. */
const USAGE: Readonly<Record<string, string>> = {
  '28000': 'the server does not let this user in',
  '28P01': 'wrong user or password',
  '3D000': 'there is no such database',
  '3F000': 'there is no such schema',
  '42501': 'the user lacks a privilege',
  '42703': 'the schema has tables that are not as Tidegate makes them',
  '42704': 'the schema has tables that are not as Tidegate makes them',
  '42710': 'the schema has tables that are not as Tidegate makes them',
  '42804': 'the schema has tables that are not as Tidegate makes them',
  '42P01': 'the schema lacks tables that Tidegate has made there',
  '42P07': "the schema has tables of the same names that are not Tidegate's",
}

const AWAY: Readonly<Record<string, string>> = {
  '25006': 'it only reads for now: a standby, or default_transaction_read_only is on',
  '53100': 'the disk of the server is full',
  '53300': 'the server has too many connections',
  '57014': 'the server gave up what it was asked',
  '55P03': 'somebody else keeps a lock',
  '57P01': 'the server shuts down',
  '57P02': 'the server has crashed, and starts again',
  '57P03': 'the server is starting, or shuts down',
}

const ERRNOS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ECONNRESET: 'the server broke the connection',
  ENOENT: 'there is no such socket',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'names cannot be looked up now',
  EPIPE: 'the server broke the connection',
  ETIMEDOUT: 'it does not answer',
}

/** The driver's own texts. */
const TEXTS: readonly (readonly [RegExp, string, boolean])[] = [
  [/^Connection terminated/, 'the server broke the connection', false],
  [/^timeout exp/, 'it does not answer', false],
  [/does not support SSL/, 'the server does not speak TLS: try sslmode=disable', true],
  [/password must be a (non-empty )?string|no password/i, 'the server wants a password', true],
]

/** TLS: the server's certificate is not to be trusted. */
const isCertificate = (code: string): boolean => /CERT|^ERR_TLS|SELF_SIGNED|UNABLE_TO/.test(code)

const isState = (code: string): boolean => /^[0-9A-Z]{5}$/.test(code) && /\d/.test(code)

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim()

interface Diagnosis {
  readonly text: string
  readonly usage: boolean
}

const ofState = (state: string, detail: string): Diagnosis => {
  const usage = USAGE[state]
  return {
    text: `${usage ?? AWAY[state] ?? 'the server refuses'} (${detail}, SQLSTATE ${state})`,
    usage: usage !== undefined,
  }
}

/** Of several addresses that were tried, the last one's failure. */
const latest = (thrown: unknown): unknown =>
  thrown instanceof AggregateError ? (thrown.errors.at(-1) ?? thrown) : thrown

const diagnose = (thrown: unknown): Diagnosis => {
  const detail = oneLine(messageOf(thrown))
  const code = errnoOf(thrown)
  if (code !== undefined && isState(code)) return ofState(code, detail)
  if (code !== undefined && isCertificate(code))
    return { text: `its certificate is not trusted (${detail})`, usage: true }
  if (code !== undefined && ERRNOS[code] !== undefined)
    return { text: `${ERRNOS[code]} (${code})`, usage: false }
  for (const [pattern, text, usage] of TEXTS) if (pattern.test(detail)) return { text, usage }
  return { text: detail, usage: false }
}

/**
 * `usage`, or `code` with `fault: 'peer'`, retryable; a TidegateError stays as it is.
 * @param doing what was being done: `cannot write to`
 */
export const databaseError = (
  doing: string,
  where: string,
  thrown: unknown,
  code: ErrorCode = 'write_failed',
): TidegateError => {
  if (thrown instanceof TidegateError) return thrown
  const cause = latest(thrown)
  const { text, usage } = diagnose(cause)
  const errno = errnoOf(cause)
  return new TidegateError(usage ? 'usage' : code, `${doing} ${where}: ${text}`, {
    fault: usage ? 'usage' : 'peer',
    retryable: !usage,
    where,
    cause: thrown,
    ...(errno === undefined ? {} : { errno }),
  })
}
