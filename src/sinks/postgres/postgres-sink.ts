/**
 * Recordings in a PostgreSQL database: connections, frames and marks as rows (docs/postgres.md). A batch is one transaction: all of
 * it is stored, or nothing.
 */

import { errnoOf, messageOf, TidegateError } from '../../errors.js'
import type { Sink, SinkRecord } from '../../ports/sink.js'
import { databaseError } from '../../postgres/failure.js'
import { migrate } from '../../postgres/migrate.js'
import { loadPackages, type PostgresPackages } from '../../postgres/packages.js'
import { MIGRATIONS } from '../../postgres/schema.js'
import { Session } from '../../postgres/session.js'
import { type PostgresUrl, parsePostgresUrl } from '../../postgres/url.js'
import { checkPrivileges } from './privileges.js'
import { type Batch, connectionRows, frameRows, markRows, sortBatch } from './rows.js'
import {
  COPY_CONNECTIONS,
  COPY_FRAMES,
  COPY_MARKS,
  COPY_NEW_FRAMES,
  STAGING,
  STORE_CONNECTIONS,
  STORE_FRAMES,
  STORE_MARKS,
} from './statements.js'

/** The only encoding that has room for every name. */
const ENCODING = 'UTF8'

/** A statement may take longer than the server may be silent: a COPY goes at the pace of the network. */
const STATEMENT_PATIENCE = 10

/**
 * The server looks every second whether we are still there, also while it waits for a lock: what we gave up does not stand in the way of its
 * repetition. From version 14 on.
 */
const NOTICE_WHEN_GONE = `
SELECT set_config(name, '1000', false) FROM pg_settings WHERE name = 'client_connection_check_interval'`

/** SQLSTATE `invalid_parameter_value` */
const INVALID_VALUE = '22023'

/** SQLSTATE `unique_violation`: some of these frames have come before. */
const UNIQUE_VIOLATION = '23505'

/** How frames come into their table; what each costs is in docs/postgres.md. */
type FrameRoute =
  /** Straight; fails if any is there already. */
  | 'direct'
  /** By way of a table of the session's own, passing over those that are there. */
  | 'staged'

/** @returns whether all frames were new. */
const storeFrames = async (session: Session, { frames }: Batch, route: FrameRoute): Promise<boolean> => {
  if (frames.length === 0) return true
  if (route === 'direct') {
    await session.copyIn(COPY_NEW_FRAMES, frameRows(frames))
    return true
  }
  await session.copyIn(COPY_FRAMES, frameRows(frames))
  const { count } = await session.query(STORE_FRAMES)
  return count === frames.length
}

/** @returns whether all frames were new. */
const store = async (session: Session, batch: Batch, route: FrameRoute): Promise<boolean> => {
  await session.query('BEGIN')
  const allNew = await storeFrames(session, batch, route)
  if (batch.connections.length > 0) {
    await session.copyIn(COPY_CONNECTIONS, connectionRows(batch.connections))
    await session.query(STORE_CONNECTIONS)
  }
  if (batch.marks.length > 0) {
    await session.copyIn(COPY_MARKS, markRows(batch.marks))
    await session.query(STORE_MARKS)
  }
  await session.query('COMMIT')
  return allNew
}

class PostgresSink implements Sink {
  readonly where: string
  readonly #url: PostgresUrl
  readonly #packages: PostgresPackages
  #session: Session | null = null
  #closed = false
  /** Batches come again after a failure: until one was new throughout, the next may be such a one. */
  #route: FrameRoute = 'staged'

  constructor(url: PostgresUrl, packages: PostgresPackages) {
    this.where = url.where
    this.#url = url
    this.#packages = packages
  }

  async open(): Promise<void> {
    this.#drop('opened anew')
    try {
      const session = await Session.connect(this.#packages, this.#url)
      this.#session = session
      // Closed while it was connecting: nobody would ever end it.
      if (this.#closed) throw new Error('nobody waits any more')
      this.#route = 'staged'
      await this.#prepare(session)
    } catch (error) {
      this.#drop('it could not be opened')
      throw databaseError('cannot open', this.where, error)
    }
  }

  async write(batch: readonly SinkRecord[], signal: AbortSignal): Promise<void> {
    const session = this.#session
    if (session === null)
      throw new TidegateError('misuse', `${this.where} is not open`, { fault: 'internal' })
    const giveUp = (): void => session.destroy(new Error('nobody waits any more'))
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      if (signal.aborted) giveUp()
      await this.#store(session, sortBatch(batch))
    } catch (error) {
      this.#drop(messageOf(error))
      throw databaseError('cannot write to', this.where, error)
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    const session = this.#session
    this.#session = null
    await session?.close()
  }

  async #store(session: Session, batch: Batch): Promise<void> {
    try {
      this.#route = (await store(session, batch, this.#route)) ? 'direct' : 'staged'
    } catch (error) {
      if (this.#route === 'staged' || errnoOf(error) !== UNIQUE_VIOLATION) throw error
      await session.query('ROLLBACK')
      this.#route = 'staged'
      await store(session, batch, 'staged')
    }
  }

  async #prepare(session: Session): Promise<void> {
    const { timeoutMs } = this.#url
    // The server must not go on with what we have given up, nor keep what it has begun when we are gone.
    await session.query(
      `SET statement_timeout = ${STATEMENT_PATIENCE * timeoutMs}; SET lock_timeout = ${timeoutMs};
       SET idle_in_transaction_session_timeout = ${timeoutMs}; SET client_min_messages = warning`,
    )
    await session.query(NOTICE_WHEN_GONE).catch((error: unknown) => {
      // A server that cannot, on some systems: then statements run until their own time is over.
      if (errnoOf(error) !== INVALID_VALUE) throw error
    })
    const { rows } = await session.query('SHOW server_encoding')
    const encoding = String(rows[0]?.server_encoding)
    if (encoding !== ENCODING)
      throw new TidegateError('usage', `${this.where} has the encoding ${encoding}, expected ${ENCODING}`, {
        fault: 'usage',
        where: this.where,
      })
    await migrate(session, this.#url, MIGRATIONS)
    await checkPrivileges(session, this.#url)
    await session.query(STAGING)
  }

  #drop(why: string): void {
    this.#session?.destroy(new Error(why))
    this.#session = null
  }
}

/**
 * Connects only once it is opened. `url`: see docs/postgres.md.
 * @throws TidegateError (rejects) `usage`: the packages `pg` and `pg-copy-streams` are not installed; `value_invalid`: the URL.
 */
export const openPostgresSink = async (url: string): Promise<Sink> => {
  const settings = parsePostgresUrl(url)
  return new PostgresSink(settings, await loadPackages())
}
