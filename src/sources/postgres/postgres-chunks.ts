/**
 * The recordings of a PostgreSQL database as pcapng, for all that reads recordings. What is there when the reading begins is what is
 * read, whatever gateways store meanwhile.
 */

import { RecordEncoder } from '../../core/convert/records.js'
import { TidegateError } from '../../errors.js'
import { databaseError } from '../../postgres/failure.js'
import { lookAtSchema, newerSchema } from '../../postgres/migrate.js'
import { loadPackages } from '../../postgres/packages.js'
import { MIGRATIONS } from '../../postgres/schema.js'
import { Session } from '../../postgres/session.js'
import { type PostgresUrl, parsePostgresUrl } from '../../postgres/url.js'
import type { ChunkSource } from '../file/chunks.js'
import { storedRecords } from './stored-records.js'

/** Who writes the sections: one of us, so that readers check the packets. */
const APPLICATION = 'tidegate postgres'

const DOING = 'cannot read'

/** @throws TidegateError (rejects) `usage` where there is nothing that could be read. */
const checkSchema = async (session: Session, { where, schema }: PostgresUrl): Promise<void> => {
  const { version } = await lookAtSchema(session, schema)
  const known = MIGRATIONS.length
  if (version > known) throw newerSchema(where, schema, version, known)
  if (version === known) return
  const why =
    version === 0
      ? `has no recordings in schema '${schema}'`
      : `schema '${schema}' has version ${version}, expected ${known}: a gateway that records there brings it up`
  throw new TidegateError('usage', `${where}: ${why}`, { fault: 'usage', where })
}

const begin = async (session: Session, url: PostgresUrl): Promise<void> => {
  await session.query('SET statement_timeout = 0; SET client_min_messages = warning')
  // What is there at the first look after this is all that will be seen.
  await session.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  await checkSchema(session, url)
}

async function* chunksOf(session: Session, { where, recording }: PostgresUrl): AsyncGenerator<Uint8Array> {
  const encoder = new RecordEncoder(APPLICATION)
  let isEmpty = true
  try {
    for await (const batch of storedRecords(session, recording))
      for (const record of batch) {
        isEmpty = false
        yield* encoder.push(record)
      }
    if (isEmpty) throw nothingThere(where, recording)
    yield* encoder.end()
    await session.query('COMMIT')
  } catch (error) {
    throw databaseError(DOING, where, error, 'file_unreadable')
  } finally {
    await session.close()
  }
}

const nothingThere = (where: string, recording: string | null): TidegateError => {
  const what = recording === null ? 'no connection was recorded there' : `there is no recording ${recording}`
  return new TidegateError('usage', `${where}: ${what}`, { fault: 'usage', where })
}

/**
 * `url`: see docs/postgres.md. Memory stays the same, however much there is.
 * @throws TidegateError (rejects) `value_invalid`: the URL; `usage`: packages, password, privileges, schema; `file_unreadable`: the database
 * is not there.
 */
export const openPostgresChunks = async (url: string): Promise<ChunkSource> => {
  const settings = parsePostgresUrl(url)
  const { where } = settings
  let session: Session | null = null
  try {
    session = await Session.connect(await loadPackages(), settings)
    await begin(session, settings)
    const opened = session
    return {
      name: where,
      totalBytes: null,
      chunks: () => chunksOf(opened, settings),
      close: () => opened.close(),
    }
  } catch (error) {
    session?.destroy(error)
    throw databaseError(DOING, where, error, 'file_unreadable')
  }
}
