/** What the server would do for our statements, and those of docs/postgres.md, in tables that are large enough for it to matter. */

import { beforeAll, expect, it } from 'vitest'
import { migrate } from '../../src/postgres/migrate.js'
import { MIGRATIONS } from '../../src/postgres/schema.js'
import { CONNECTIONS, toldOf } from '../../src/sources/postgres/queries.js'
import { type Database, POSTGRES_TOOLS, startDatabase } from '../support/database.js'
import { blockScope } from '../support/scope.js'
import { describeWith } from '../support/tools.js'

const RECORDING = '0198c0de-0000-7000-8000-000000000001'
const OTHER = '0198c0de-0000-7000-8000-000000000002'
const SCHEMA = 'indexed'
const DURING = `now() - interval '1 minute' AND now()`

/** Two recordings of a day; of each connection four frames and two ends. */
const FILL = `
INSERT INTO connections (recording, connection, client_ip, opened)
SELECT recording, n, '10.0.0.0'::inet + n, now() - n * interval '10 s'
FROM unnest(ARRAY['${RECORDING}', '${OTHER}']::uuid[]) AS recording, generate_series(1, 8000) AS n;
INSERT INTO frames (recording, connection, at, time, direction, time_ns, data)
SELECT recording, connection, at, opened, direction, 0, 'x'
FROM connections, unnest(ARRAY['upstream', 'downstream']::direction[]) AS direction, unnest(ARRAY[0, 100]) AS at
ORDER BY opened;
INSERT INTO marks (recording, connection, at, length, time, direction, time_ns, kind)
SELECT recording, connection, 200, 0, opened, direction, 0, 'fin'
FROM connections, unnest(ARRAY['upstream', 'downstream']::direction[]) AS direction;
ANALYZE`

interface Plan {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly Plans?: readonly Plan[]
}

const nodesOf = (plan: Plan): readonly Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]

describeWith(POSTGRES_TOOLS, 'the indexes of the tables', () => {
  const block = blockScope()
  let database: Database
  beforeAll(async () => {
    ;({ database } = await startDatabase(block))
    await migrate(await database.session(SCHEMA, block), { where: 'here', schema: SCHEMA }, MIGRATIONS)
    await database.ask(SCHEMA, FILL)
  }, 90_000)

  /** Tables that would be read from end to end, and indexes that would be used. */
  const planOf = async (sql: string, values: readonly unknown[] = []) => {
    const [row] = await database.ask(SCHEMA, `EXPLAIN (FORMAT json) ${sql}`, values)
    const plans = (row?.['QUERY PLAN'] as readonly { readonly Plan: Plan }[] | undefined) ?? []
    const nodes = plans.flatMap(({ Plan }) => nodesOf(Plan))
    expect(nodes).not.toEqual([])
    return {
      scans: nodes.flatMap((node) => (node['Node Type'] === 'Seq Scan' ? [node['Relation Name']] : [])),
      indexes: [...new Set(nodes.flatMap((node) => node['Index Name'] ?? []))].sort(),
    }
  }

  it('are used to list the connections of a recording, page by page', async () => {
    expect(await planOf(CONNECTIONS, [RECORDING, 4000])).toEqual({ scans: [], indexes: ['connections_pkey'] })
  })

  it('are used to read what connections said', async () => {
    const [, query = ''] = /^\s*COPY \((.*)\) TO STDOUT/s.exec(toldOf(RECORDING, [7, 8, 9])) ?? []
    expect(await planOf(query)).toEqual({ scans: [], indexes: ['frames_pkey', 'marks_pkey'] })
  })

  it.each([
    ['who was connected', `SELECT * FROM connections WHERE opened BETWEEN ${DURING}`, 'connections_opened'],
    [
      'who was connected from somewhere',
      `SELECT * FROM connections WHERE client_ip <<= '10.0.1.0/28' AND opened > now() - interval '1 hour'`,
      'connections_client',
    ],
    ['what was said at a time', `SELECT * FROM frames WHERE time BETWEEN ${DURING}`, 'frames_time'],
  ])('are used to find %s', async (_, query, index) => {
    expect(await planOf(query)).toEqual({ scans: [], indexes: [index] })
  })
})
