/** A PostgreSQL server of the test's own, as our sink and source see it: by URL, and asked for what is in it. */

import { loadPackages } from '../../src/postgres/packages.js'
import { type Row, Session } from '../../src/postgres/session.js'
import { parsePostgresUrl } from '../../src/postgres/url.js'
import { eventually, type Scope } from './scope.js'
import { makeCluster, POSTGRES_USER, type PostgresCluster, startCluster } from './servers/postgres.js'

export const POSTGRES_TOOLS = ['initdb', 'postgres', ...(process.getuid?.() === 0 ? ['setpriv'] : [])]

export class Database {
  readonly cluster: PostgresCluster
  #schemas = 0

  constructor(cluster: PostgresCluster) {
    this.cluster = cluster
  }

  /** A name that nobody has used, and that has to be quoted. */
  newSchema(): string {
    return `test ${++this.#schemas} "x"`
  }

  /** Over the unix socket, where nobody is asked for a password. */
  url(schema: string, more = ''): string {
    const { directory, port } = this.cluster
    const where = `host=${encodeURIComponent(directory)}&port=${port}`
    return `postgres:///postgres?user=${POSTGRES_USER}&${where}&schema=${encodeURIComponent(schema)}${more}`
  }

  /** A connection for other than a moment. */
  async session(schema: string, scope: Scope): Promise<Session> {
    const session = await Session.connect(await loadPackages(), parsePostgresUrl(this.url(schema)))
    scope.defer(() => session.close())
    await session.query(`SET search_path TO ${quoted(schema)}`)
    return session
  }

  async ask(schema: string, sql: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    const session = await Session.connect(await loadPackages(), parsePostgresUrl(this.url(schema)))
    try {
      await session.query(`SET search_path TO ${quoted(schema)}`)
      return (await session.query(sql, values)).rows
    } finally {
      await session.close()
    }
  }

  async count(schema: string, from: string): Promise<number> {
    return Number((await this.ask(schema, `SELECT count(*) FROM ${from}`))[0]?.count)
  }
}

export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** Resolves when it lets somebody in: it accepts connections before that. */
export const startDatabase = async (scope: Scope) => {
  const cluster = await makeCluster(scope, { unixSocket: true, passwords: true })
  const server = await startCluster(scope, cluster)
  const database = new Database(cluster)
  await eventually(
    'the server to let somebody in',
    () => database.ask('x', 'SELECT 1').catch(() => null),
    30_000,
  )
  return { database, server }
}
