/**
 * What a `postgres://` URL says: where the database is, which is the driver's to read, and options of our own.
 *
 *     schema=NAME      where the tables are; default `tidegate`
 *     timeout=TIME     how long the server may be silent before it counts as away; default 30s
 *     recording=UUID   when reading: this run of a gateway only
 */

import { parseDuration } from '../config/units.js'
import { safeUrl } from '../core/safe-url.js'
import { TidegateError } from '../errors.js'

export interface PostgresUrl {
  /** Without our own options; holds the password. */
  readonly connection: string
  /** For people: no password, no options. */
  readonly where: string
  readonly schema: string
  /** Milliseconds. */
  readonly timeoutMs: number
  /** null: all. */
  readonly recording: string | null
}

const DEFAULT_SCHEMA = 'tidegate'
/** Longer than any pause of a healthy server; short enough that the spool does not fill up unnoticed. */
const DEFAULT_TIMEOUT_MS = 30_000
/** `NAMEDATALEN` - 1: a longer name would silently be cut. */
const MAX_NAME_BYTES = 63

const OWN_OPTIONS = ['schema', 'timeout', 'recording'] as const
const DRIVER_OPTIONS = [
  'application_name',
  'host',
  'options',
  'password',
  'port',
  'sslcert',
  'sslkey',
  'sslmode',
  'sslnegotiation',
  'sslrootcert',
  'user',
  'uselibpqcompat',
] as const
const OPTIONS: ReadonlySet<string> = new Set([...OWN_OPTIONS, ...DRIVER_OPTIONS])

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export const isPostgresUrl = (text: string): boolean => /^postgres(ql)?:\/\//i.test(text)

const invalid = (where: string, why: string): TidegateError =>
  new TidegateError('value_invalid', `${where}: ${why}`, { fault: 'usage', where })

const schemaProblem = (name: string): string | null => {
  if (name === '' || name.includes('\0')) return 'is no name'
  if (new TextEncoder().encode(name).length > MAX_NAME_BYTES) return `is longer than ${MAX_NAME_BYTES} bytes`
  return name.startsWith('pg_') ? 'begins with pg_, which PostgreSQL keeps for itself' : null
}

const timeoutOf = (where: string, text: string | null): number => {
  if (text === null) return DEFAULT_TIMEOUT_MS
  const ms = parseDuration(text)
  if (ms < 100) throw invalid(where, `timeout '${text}' is too short: expected at least 100ms`)
  return ms
}

const urlOf = (text: string, where: string): URL => {
  try {
    return new URL(text)
  } catch {
    // Its error has the text, and that the password.
    throw invalid(where, 'is not a URL: expected postgres://user:password@host:port/database')
  }
}

/** @throws TidegateError `value_invalid`; says nothing of what is secret. */
export const parsePostgresUrl = (text: string): PostgresUrl => {
  const where = safeUrl(text)
  if (!isPostgresUrl(text)) throw invalid(where, 'is not a PostgreSQL URL: expected postgres://…')
  const url = urlOf(text, where)
  const { searchParams } = url
  for (const name of searchParams.keys())
    if (!OPTIONS.has(name))
      throw invalid(
        where,
        `there is no option '${name.slice(0, 40)}': expected one of ${[...OPTIONS].join(', ')}`,
      )
  const schema = searchParams.get('schema') ?? DEFAULT_SCHEMA
  const problem = schemaProblem(schema)
  if (problem !== null) throw invalid(where, `schema '${schema}' ${problem}`)
  const recording = searchParams.get('recording')
  if (recording !== null && !UUID.test(recording))
    throw invalid(where, `recording '${recording}' is not a UUID, as the column recording has`)
  const timeoutMs = timeoutOf(where, searchParams.get('timeout'))
  for (const name of OWN_OPTIONS) searchParams.delete(name)
  return { connection: url.toString(), where, schema, timeoutMs, recording: recording?.toLowerCase() ?? null }
}
