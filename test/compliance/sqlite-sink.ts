/**
 * A sink on SQLite, as a program might write one: a batch is a transaction, and a key passes over what comes again. Calls to SQLite
 * are synchronous, so it never waits in one for a lock that somebody else holds: that would hold up the gateway's thread.
 */

import { setTimeout as pause } from 'node:timers/promises'
import type { Sink, SinkRecord } from '../../src/ports/sink.js'

/** What of node:sqlite is used; its types come with Node 22. */
export interface SqliteDatabase {
  exec(sql: string): void
  prepare(sql: string): {
    run(...values: unknown[]): unknown
    all(): unknown[]
    setReadBigInts(on: boolean): void
  }
  close(): void
}

type Sqlite = { readonly DatabaseSync: new (path: string) => SqliteDatabase }

/** Null before Node 22.5, and up to 22.12 without `--experimental-sqlite`. */
export const sqlite = (process.getBuiltinModule('node:sqlite' as 'node:fs') ??
  null) as unknown as Sqlite | null

const TABLE = `CREATE TABLE IF NOT EXISTS records (
  recording TEXT, connection INTEGER, kind TEXT, direction TEXT, at INTEGER, time_ns INTEGER, bytes BLOB, rest TEXT,
  PRIMARY KEY (recording, connection, kind, direction, at))`
const INSERT = 'INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING'

const BUSY = 5
const LOOK_AGAIN_MS = 10

const isBusy = (error: unknown): boolean =>
  error instanceof Error && 'errcode' in error && error.errcode === BUSY

/** @throws Error where Node has no SQLite, and for a path that cannot be opened. */
export const openSqlite = (path: string): SqliteDatabase => {
  if (sqlite === null) throw new Error('this Node has no node:sqlite; expected Node 22.13 or newer')
  const database = new sqlite.DatabaseSync(path)
  database.exec(`PRAGMA synchronous = FULL; ${TABLE}`)
  return database
}

export class SqliteSink implements Sink {
  readonly where: string
  readonly #path: string
  #database: SqliteDatabase | null = null

  constructor(path: string) {
    this.#path = path
    this.where = `sqlite:${path}`
  }

  async open(): Promise<void> {
    await this.close()
    this.#database = openSqlite(this.#path)
  }

  async write(batch: readonly SinkRecord[], signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted()
      try {
        return this.#store(batch)
      } catch (error) {
        if (!isBusy(error)) throw error
      }
      await pause(LOOK_AGAIN_MS, undefined, { signal })
    }
  }

  async close(): Promise<void> {
    this.#database?.close()
    this.#database = null
  }

  /** All of it or nothing. */
  #store(batch: readonly SinkRecord[]): void {
    const database = this.#database
    if (database === null) throw new Error('it is not open')
    database.exec('BEGIN IMMEDIATE')
    try {
      const insert = database.prepare(INSERT)
      for (const { recording, connection, kind, timeNs, ...rest } of batch) {
        const { direction, at } = 'at' in rest ? rest : { direction: '', at: 0 }
        const bytes = 'bytes' in rest ? rest.bytes : null
        const text = JSON.stringify({ ...rest, bytes: undefined })
        insert.run(recording, connection, kind, direction, at, timeNs, bytes, text)
      }
      database.exec('COMMIT')
    } catch (error) {
      database.exec('ROLLBACK')
      throw error
    }
  }
}
