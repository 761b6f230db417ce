/** The sink suite on the PostgreSQL sink; each case has a schema of its own. */

import { beforeAll, it } from 'vitest'
import type { Sink, SinkRecord } from '../../src/ports/sink.js'
import type { Session } from '../../src/postgres/session.js'
import { openPostgresSink } from '../../src/sinks/postgres/postgres-sink.js'
import { storedRecords } from '../../src/sources/postgres/stored-records.js'
import { type SinkPlace, sinkCompliance } from '../../src/testing/index.js'
import { type Database, POSTGRES_TOOLS, quoted, startDatabase } from '../support/database.js'
import { blockScope, eventually, type Scope } from '../support/scope.js'
import { POSTGRES_PASSWORD, POSTGRES_USER } from '../support/servers/postgres.js'
import { LOOPBACK } from '../support/sockets.js'
import { describeWith } from '../support/tools.js'

const NAME = 'sink under test'

class PostgresPlace implements SinkPlace {
  readonly secrets = [POSTGRES_PASSWORD]
  readonly #database: Database
  readonly #scope: Scope
  readonly #schema: string
  #breaking: Promise<void> | null = null

  constructor(database: Database, scope: Scope) {
    this.#database = database
    this.#scope = scope
    this.#schema = database.newSchema()
  }

  connect(): Promise<Sink> {
    const server = `${POSTGRES_USER}:${POSTGRES_PASSWORD}@${LOOPBACK}:${this.#database.cluster.port}`
    const options = `schema=${encodeURIComponent(this.#schema)}&application_name=${encodeURIComponent(NAME)}`
    return openPostgresSink(`postgres://${server}/postgres?${options}`)
  }

  async stored(): Promise<readonly SinkRecord[]> {
    const session = await this.#database.session(this.#schema, this.#scope)
    const found: SinkRecord[] = []
    for await (const batch of storedRecords(session, null))
      for (const record of batch)
        found.push(record.kind === 'data' ? { ...record, bytes: record.bytes.slice() } : record)
    await session.close()
    return found
  }

  async breakNext(): Promise<void> {
    const release = await this.stall()
    // The one before must have done its work: it is the same connection that is ended.
    await this.#breaking
    this.#breaking = this.#endWaiting().finally(release)
  }

  async stall(): Promise<() => Promise<void>> {
    const blocker = await this.#database.session(this.#schema, this.#scope)
    await blocker.query('BEGIN; LOCK TABLE connections, frames, marks IN EXCLUSIVE MODE')
    return () => this.#release(blocker)
  }

  async close(): Promise<void> {
    await this.#breaking
    await this.#database.ask('x', `DROP SCHEMA IF EXISTS ${quoted(this.#schema)} CASCADE`)
  }

  async #release(blocker: Session): Promise<void> {
    await blocker.query('ROLLBACK')
    await blocker.close()
  }

  /** Ends the sink's session once it is in the middle of a batch. */
  async #endWaiting(): Promise<void> {
    const waiting = `FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'`
    await eventually('a batch to begin', async () => {
      const rows = await this.#database.ask('x', `SELECT pg_terminate_backend(pid) ${waiting}`, [NAME])
      return rows.length > 0
    })
  }
}

describeWith(POSTGRES_TOOLS, 'the PostgreSQL sink as a sink', () => {
  const scope = blockScope()
  let database: Database
  beforeAll(async () => {
    ;({ database } = await startDatabase(scope))
  }, 90_000)

  for (const { name, run, timeoutMs } of sinkCompliance(() => new PostgresPlace(database, scope)))
    it(name, run, timeoutMs)
})
