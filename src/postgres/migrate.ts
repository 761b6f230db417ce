/**
 * Brings a schema to the version that this Tidegate knows. Several may do so at once: one does it, the others wait and find it done.
 * A schema that is up to date is only looked at, so that its user needs no right to make anything.
 */

import { TidegateError } from '../errors.js'
import type { Answer, Row, Session } from './session.js'

/** What the advisory lock is called, beside the schema's name: `tide` in ASCII. */
const LOCK = 0x74696465

/**
 * What a step may take, ms: on a large database it rebuilds tables or makes indexes, and says nothing meanwhile. Given up any
 * sooner, it would be begun again and again.
 */
const STEP_MS = 60 * 60 * 1000

const VERSION_TABLE = `
CREATE TABLE schema_version (
  version  integer      PRIMARY KEY,
  applied  timestamptz  NOT NULL DEFAULT now()
);
COMMENT ON TABLE schema_version IS 'The steps that have made this schema what it is; Tidegate''s own';
`

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

export interface SchemaState {
  /** Whether there is a schema of this name at all. */
  readonly exists: boolean
  /** 0: Tidegate has made nothing there yet. */
  readonly version: number
}

const first = ({ rows }: Answer): Row => rows[0] ?? {}

/** Sets the search path, which names in SQL rely on from then on, and looks. */
export const lookAtSchema = async (session: Session, schema: string): Promise<SchemaState> => {
  await session.query(`SET search_path TO ${quoted(schema)}`)
  const found = await session.query(
    `SELECT to_regnamespace($1) IS NOT NULL AS exists,
            EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relname = 'schema_version') AS made`,
    [quoted(schema)],
  )
  const { exists, made } = first(found)
  if (made !== true) return { exists: exists === true, version: 0 }
  const { version } = first(
    await session.query('SELECT coalesce(max(version), 0) AS version FROM schema_version'),
  )
  return { exists: true, version: Number(version) }
}

export const newerSchema = (where: string, schema: string, found: number, known: number): TidegateError =>
  new TidegateError(
    'usage',
    `${where}: schema '${schema}' has version ${found}, and this Tidegate knows up to ${known}: a newer one has been here`,
    { fault: 'usage', where },
  )

/**
 * @param steps all there are: version N is what the first N make
 * @throws TidegateError (rejects) `usage`: the schema is newer than that.
 */
export const migrate = async (
  session: Session,
  { where, schema }: { readonly where: string; readonly schema: string },
  steps: readonly string[],
): Promise<void> => {
  const isCurrent = ({ version }: SchemaState): boolean => {
    if (version > steps.length) throw newerSchema(where, schema, version, steps.length)
    return version === steps.length
  }
  if (isCurrent(await lookAtSchema(session, schema))) return
  await session.query('BEGIN')
  try {
    await session.query('SELECT pg_advisory_xact_lock($1, hashtext($2))', [LOCK, schema])
    const state = await lookAtSchema(session, schema)
    if (!isCurrent(state)) await takeSteps(session, schema, state, steps)
    await session.query('COMMIT')
  } catch (error) {
    if (session.isOpen) await session.query('ROLLBACK')
    throw error
  }
}

const takeSteps = async (
  session: Session,
  schema: string,
  { exists, version }: SchemaState,
  steps: readonly string[],
): Promise<void> => {
  await session.query(`SET LOCAL statement_timeout = ${STEP_MS}`)
  if (!exists) await session.query(`CREATE SCHEMA ${quoted(schema)}`)
  if (version === 0) await session.query(VERSION_TABLE)
  for (const [index, step] of steps.entries()) {
    if (index < version) continue
    await session.query(step, undefined, STEP_MS)
    await session.query('INSERT INTO schema_version (version) VALUES ($1)', [index + 1])
  }
}
