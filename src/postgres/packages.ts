/** The packages that talk to PostgreSQL: optional, so loaded when a database is first named. */

import type * as Pg from 'pg'
import type * as PgCopyStreams from 'pg-copy-streams'
import { errnoOf, messageOf, TidegateError } from '../errors.js'

export interface PostgresPackages {
  readonly Client: typeof Pg.Client
  readonly copyFrom: typeof PgCopyStreams.from
  readonly copyTo: typeof PgCopyStreams.to
}

const INSTALL = 'npm install pg pg-copy-streams'

/** For tests: what `import(name)` does. */
export type Importer = (name: 'pg' | 'pg-copy-streams') => Promise<unknown>

const ours: Importer = (name) => (name === 'pg' ? import('pg') : import('pg-copy-streams'))

const missing = (thrown: unknown): TidegateError => {
  const isAbsent = errnoOf(thrown) === 'ERR_MODULE_NOT_FOUND'
  const text = isAbsent
    ? `PostgreSQL needs two packages that are not installed; add them with: ${INSTALL}`
    : `the packages for PostgreSQL cannot be loaded (${messageOf(thrown)}); install them again with: ${INSTALL}`
  return new TidegateError('usage', text, { fault: 'usage', cause: thrown })
}

/** @throws TidegateError (rejects) `usage`: they are not installed. */
export const loadPackages = async (load: Importer = ours): Promise<PostgresPackages> => {
  try {
    const [pg, streams] = (await Promise.all([load('pg'), load('pg-copy-streams')])) as [
      typeof Pg,
      typeof PgCopyStreams,
    ]
    return { Client: pg.Client, copyFrom: streams.from, copyTo: streams.to }
  } catch (error) {
    throw missing(error)
  }
}
