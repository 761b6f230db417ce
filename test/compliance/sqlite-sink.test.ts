/** The sink suite on a sink that stores in SQLite: the port fits a store that is nothing like PostgreSQL. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'vitest'
import type { Sink, SinkRecord } from '../../src/ports/sink.js'
import { type SinkPlace, sinkCompliance } from '../../src/testing/index.js'
import { openSqlite, SqliteSink, sqlite } from './sqlite-sink.js'

interface Row {
  readonly recording: string
  readonly connection: bigint
  readonly kind: string
  readonly time_ns: bigint
  readonly bytes: Uint8Array | null
  readonly rest: string
}

const recordOf = ({ recording, connection, kind, time_ns, bytes, rest }: Row): SinkRecord =>
  ({
    kind,
    recording,
    connection: Number(connection),
    timeNs: time_ns,
    ...(JSON.parse(rest) as object),
    ...(bytes === null ? {} : { bytes }),
  }) as SinkRecord

class SqlitePlace implements SinkPlace {
  readonly #folder = mkdtempSync(join(tmpdir(), 'tidegate-test-'))
  readonly #path = join(this.#folder, 'traffic.db')
  readonly #database = openSqlite(this.#path)

  connect(): Sink {
    const sink = new SqliteSink(this.#path)
    const open = sink.open.bind(sink)
    sink.open = () => {
      this.#database.exec('DROP TRIGGER IF EXISTS broken')
      return open()
    }
    return sink
  }

  async stored(): Promise<readonly SinkRecord[]> {
    const all = this.#database.prepare('SELECT * FROM records ORDER BY rowid')
    all.setReadBigInts(true)
    return (all.all() as Row[]).map(recordOf)
  }

  /** After the first record that is new. */
  breakNext(): void {
    const { length } = this.#database.prepare('SELECT 1 FROM records').all()
    this.#database.exec(`CREATE TRIGGER broken BEFORE INSERT ON records
      WHEN (SELECT count(*) FROM records) > ${length} BEGIN SELECT RAISE(ABORT, 'disk full'); END`)
  }

  async stall(): Promise<() => void> {
    this.#database.exec('BEGIN IMMEDIATE')
    return () => this.#database.exec('ROLLBACK')
  }

  close(): void {
    this.#database.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

const title = 'a sink in SQLite'
if (sqlite === null) it.skip(`${title}: this Node has none (22.13 or newer has)`, () => {})
else
  describe(title, () => {
    for (const { name, run, timeoutMs } of sinkCompliance(() => new SqlitePlace())) it(name, run, timeoutMs)
  })
