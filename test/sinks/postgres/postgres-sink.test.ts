import { randomBytes, randomUUID } from 'node:crypto'
import { beforeAll, expect, it } from 'vitest'
import type { Sink, SinkRecord } from '../../../src/ports/sink.js'
import { migrate } from '../../../src/postgres/migrate.js'
import { loadPackages } from '../../../src/postgres/packages.js'
import { MIGRATIONS } from '../../../src/postgres/schema.js'
import { type Row, Session } from '../../../src/postgres/session.js'
import { parsePostgresUrl } from '../../../src/postgres/url.js'
import { openPostgresSink } from '../../../src/sinks/postgres/postgres-sink.js'
import { type Database, POSTGRES_TOOLS, quoted, startDatabase } from '../../support/database.js'
import type { Daemon } from '../../support/processes.js'
import { bytesOf, START_NS, talk } from '../../support/records.js'
import { blockScope, eventually, type Scope, testScope, within } from '../../support/scope.js'
import { POSTGRES_PASSWORD, POSTGRES_USER, startCluster } from '../../support/servers/postgres.js'
import { LOOPBACK } from '../../support/sockets.js'
import { describeWith } from '../../support/tools.js'

describeWith(POSTGRES_TOOLS, 'the PostgreSQL sink', () => {
  const block = blockScope()
  let database: Database
  let server: Daemon
  beforeAll(async () => {
    ;({ database, server } = await startDatabase(block))
  }, 90_000)

  const newSchema = (): string => database.newSchema()
  const urlFor = (schema: string, more = ''): string => database.url(schema, more)
  const asked = (schema: string, sql: string, values: readonly unknown[] = []): Promise<readonly Row[]> =>
    database.ask(schema, sql, values)
  const count = (schema: string, from: string): Promise<number> => database.count(schema, from)

  /** By which the server calls the session of the sink that was opened last. */
  let sinks = 0

  const opened = async (scope: Scope, schema: string, more = ''): Promise<Sink> => {
    const sink = await openPostgresSink(urlFor(schema, `${more}&application_name=sink${++sinks}`))
    scope.defer(() => sink.close())
    await sink.open()
    return sink
  }

  const never = new AbortController().signal
  const write = (sink: Sink, records: readonly SinkRecord[]): Promise<void> => sink.write(records, never)

  it('makes its schema and keeps every field of every record', async () => {
    const schema = newSchema()
    const sink = await opened(testScope(), schema)
    const recording = randomUUID()
    const key = { recording, connection: 7 }
    const binary = randomBytes(70_000)
    await write(sink, [
      {
        kind: 'open',
        ...key,
        timeNs: START_NS,
        listener: 'db',
        client: '[fe80::1%eth0]:40112',
        server: 'db.internal:5432',
      },
      { kind: 'data', ...key, direction: 'upstream', at: 0, timeNs: START_NS + 1n, bytes: binary },
      {
        kind: 'gap',
        ...key,
        direction: 'upstream',
        at: 70_000,
        length: 30,
        timeNs: START_NS + 2n,
        why: 'overload: dropped',
        cut: false,
      },
      {
        kind: 'gap',
        ...key,
        direction: 'downstream',
        at: 0,
        length: 2 ** 40,
        timeNs: START_NS + 3n,
        why: 'first bytes only',
        cut: true,
      },
      {
        kind: 'data',
        ...key,
        direction: 'downstream',
        at: 2 ** 40,
        timeNs: START_NS + 3n,
        bytes: bytesOf('x'),
      },
      { kind: 'fin', ...key, direction: 'upstream', at: 70_030, timeNs: START_NS + 4n },
    ])
    await write(sink, [
      {
        kind: 'close',
        ...key,
        timeNs: START_NS + 5_000n,
        reason: 'upstream_reset',
        upstream: {
          seen: 70_030,
          stored: 70_000,
          lost: [{ at: 70_000, length: 30, why: 'overload: dropped' }],
        },
        downstream: {
          seen: 2 ** 40 + 1,
          stored: 1,
          lost: [],
          cut: [{ at: 0, length: 2 ** 40, why: 'first bytes only' }],
        },
      },
    ])
    expect(await asked(schema, 'SELECT * FROM connections')).toEqual([
      {
        recording,
        connection: '7',
        listener: 'db',
        client: '[fe80::1%eth0]:40112',
        client_ip: 'fe80::1',
        server: 'db.internal:5432',
        opened: new Date('2026-09-21T14:13:20.123Z'),
        opened_ns: 789,
        closed: new Date('2026-09-21T14:13:20.123Z'),
        closed_ns: 789,
        reason: 'upstream_reset',
        upstream_seen: '70030',
        upstream_stored: '70000',
        upstream_lost: '30',
        upstream_cut: '0',
        downstream_seen: String(2 ** 40 + 1),
        downstream_stored: '1',
        downstream_lost: '0',
        downstream_cut: String(2 ** 40),
        ledger: {
          upstream: {
            seen: 70_030,
            stored: 70_000,
            lost: [{ at: 70_000, length: 30, why: 'overload: dropped' }],
          },
          downstream: {
            seen: 2 ** 40 + 1,
            stored: 1,
            lost: [],
            cut: [{ at: 0, length: 2 ** 40, why: 'first bytes only' }],
          },
        },
      },
    ])
    const micros = `to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS time`
    const frames = await asked(
      schema,
      `SELECT connection, direction, at, ${micros}, time_ns, data FROM frames ORDER BY at`,
    )
    expect(frames).toEqual([
      {
        connection: '7',
        direction: 'upstream',
        at: '0',
        time: '2026-09-21 14:13:20.123456',
        time_ns: 790,
        data: binary,
      },
      {
        connection: '7',
        direction: 'downstream',
        at: String(2 ** 40),
        time: '2026-09-21 14:13:20.123456',
        time_ns: 792,
        data: Buffer.from('x'),
      },
    ])
    expect(
      await asked(
        schema,
        'SELECT direction, at, length, time_ns, kind, why FROM marks ORDER BY time, time_ns',
      ),
    ).toEqual([
      {
        direction: 'upstream',
        at: '70000',
        length: '30',
        time_ns: 791,
        kind: 'lost',
        why: 'overload: dropped',
      },
      {
        direction: 'downstream',
        at: '0',
        length: String(2 ** 40),
        time_ns: 792,
        kind: 'cut',
        why: 'first bytes only',
      },
      { direction: 'upstream', at: '70030', length: '0', time_ns: 793, kind: 'fin', why: null },
    ])
  })

  it('takes what databases have no room for: NUL in names, halves of characters, clients without an address', async () => {
    const schema = newSchema()
    const sink = await opened(testScope(), schema)
    const clients = [
      'unix:\0abstract\ud800',
      'unix:',
      'unix:/run/x.sock',
      '[::ffff:10.0.0.7]:1',
      '10.0.0.8:2',
      'name.example:3',
    ]
    await write(
      sink,
      clients.flatMap((client, connection) => talk({ connection, client, listener: 'a\0b' })),
    )
    const recording = randomUUID()
    const why = 'odd\0 \udc00'
    await write(sink, [
      {
        kind: 'gap',
        recording,
        connection: 9,
        direction: 'upstream',
        at: 0,
        length: 1,
        timeNs: START_NS,
        why,
        cut: false,
      },
      {
        kind: 'close',
        recording,
        connection: 9,
        timeNs: START_NS,
        reason: 'error',
        upstream: { seen: 1, stored: 0, lost: [{ at: 0, length: 1, why }] },
        downstream: { seen: 0, stored: 0, lost: [] },
      },
    ])
    expect(
      await asked(schema, 'SELECT client, client_ip, listener FROM connections ORDER BY connection'),
    ).toEqual([
      { client: 'unix:\u2400abstract\ufffd', client_ip: null, listener: 'a\u2400b' },
      { client: 'unix:', client_ip: null, listener: 'a\u2400b' },
      { client: 'unix:/run/x.sock', client_ip: null, listener: 'a\u2400b' },
      { client: '[::ffff:10.0.0.7]:1', client_ip: '10.0.0.7', listener: 'a\u2400b' },
      { client: '10.0.0.8:2', client_ip: '10.0.0.8', listener: 'a\u2400b' },
      { client: 'name.example:3', client_ip: null, listener: 'a\u2400b' },
      { client: null, client_ip: null, listener: null },
    ])
    expect(
      await asked(
        schema,
        `SELECT why, ledger #>> '{upstream,lost,0,why}' AS ledger FROM marks JOIN connections USING (recording, connection) WHERE kind = 'lost'`,
      ),
    ).toEqual([{ why: 'odd\u2400 \ufffd', ledger: 'odd\u2400 \ufffd' }])
  })

  it('stores what comes again only once, whatever it comes with', async () => {
    const schema = newSchema()
    const scope = testScope()
    const sink = await opened(scope, schema)
    const recording = randomUUID()
    const said = Array.from({ length: 20 }, (_, n) => ['upstream', bytesOf(`frame ${n};`)] as const)
    const whole = talk({ recording, said })
    await write(sink, whole)
    // Now it takes frames for new, and is mistaken.
    await write(sink, talk({ recording, connection: 2, said }))
    await write(sink, [...whole.slice(5), ...talk({ recording, connection: 3, said }), ...whole])
    await sink.open()
    await write(sink, whole)
    expect(await count(schema, 'connections')).toBe(3)
    expect(await count(schema, 'frames')).toBe(60)
    expect(await count(schema, 'marks')).toBe(6)
    const [text] = await asked(
      schema,
      `SELECT convert_from(string_agg(data, '' ORDER BY at), 'UTF8') AS text FROM frames WHERE connection = 1`,
    )
    expect(text?.text).toBe(said.map(([, bytes]) => Buffer.from(bytes).toString()).join(''))
  })

  it('keeps the first of what is told twice of a connection, and what is told in any order', async () => {
    const schema = newSchema()
    const sink = await opened(testScope(), schema)
    const recording = randomUUID()
    const [open, , , close] = talk({ recording })
    await write(sink, [close!])
    await write(sink, [open!])
    await write(sink, [{ ...open!, timeNs: START_NS + 10n ** 9n } as SinkRecord])
    expect(
      await asked(
        schema,
        'SELECT client, reason, opened_ns, extract(second FROM opened)::text AS s FROM connections',
      ),
    ).toEqual([{ client: '127.0.0.1:40112', reason: 'client_fin', opened_ns: 789, s: '20.123456' }])
  })

  it('lets several gateways start at once and write side by side', async () => {
    const schema = newSchema()
    const scope = testScope()
    const sinks = await Promise.all(Array.from({ length: 4 }, () => opened(scope, schema)))
    await Promise.all(
      sinks.map(async (sink) => {
        const recording = randomUUID()
        for (let connection = 1; connection <= 10; connection++)
          await write(sink, talk({ recording, connection, said: [['upstream', randomBytes(1000)]] }))
      }),
    )
    expect(await count(schema, 'connections')).toBe(40)
    expect(await count(schema, 'frames')).toBe(40)
    expect(await count(schema, 'schema_version')).toBe(1)
  })

  it('is refused by a schema that a newer one has made, and leaves it alone', async () => {
    const schema = newSchema()
    await (await opened(testScope(), schema)).close()
    await asked(schema, 'INSERT INTO schema_version (version) VALUES (99)')
    const sink = await openPostgresSink(urlFor(schema))
    await expect(sink.open()).rejects.toMatchObject({
      fault: 'usage',
      message: expect.stringContaining('has version 99'),
    })
    expect(await count(schema, 'schema_version')).toBe(2)
  })

  it('is brought from version to version, by one of those that start at once, without losing what is there', async () => {
    const schema = newSchema()
    const scope = testScope()
    const target = { where: 'here', schema }
    await migrate(await database.session(schema, scope), target, MIGRATIONS)
    await write(await opened(scope, schema), talk({ said: [['upstream', bytesOf('kept')]] }))

    const broken = 'ALTER TABLE frames ADD COLUMN tag text; SELECT no_such_function()'
    const failing = migrate(await database.session(schema, scope), target, [...MIGRATIONS, broken])
    await expect(failing).rejects.toThrow('no_such_function')
    const steps = [...MIGRATIONS, `ALTER TABLE frames ADD COLUMN tag text NOT NULL DEFAULT 'old'`]
    const sessions = await Promise.all([1, 2, 3].map(() => database.session(schema, scope)))
    await Promise.all(sessions.map((session) => migrate(session, target, steps)))

    expect(await asked(schema, `SELECT convert_from(data, 'UTF8') AS data, tag FROM frames`)).toEqual([
      { data: 'kept', tag: 'old' },
    ])
    expect(await asked(schema, 'SELECT version FROM schema_version ORDER BY version')).toEqual([
      { version: 1 },
      { version: 2 },
    ])
    const older = await openPostgresSink(urlFor(schema))
    await expect(older.open()).rejects.toMatchObject({ fault: 'usage' })
  })

  it('lets a migration take longer than the server may be silent otherwise', async () => {
    const schema = newSchema()
    const scope = testScope()
    await (await opened(scope, schema)).close()
    const url = parsePostgresUrl(urlFor(schema, '&timeout=200ms'))
    const session = await Session.connect(await loadPackages(), url)
    scope.defer(() => session.close())
    await session.query('SET statement_timeout = 300')
    await migrate(session, { where: 'here', schema }, [...MIGRATIONS, 'SELECT pg_sleep(0.6)'])
    expect(await count(schema, 'schema_version')).toBe(2)
    await expect(session.query('SELECT pg_sleep(0.6)')).rejects.toThrow('has not answered for 0.2 s')
  })

  it("does not touch tables of the same names that are somebody else's", async () => {
    const schema = newSchema()
    await asked('public', `CREATE SCHEMA ${quoted(schema)}`)
    await asked(schema, 'CREATE TABLE frames (mine text)')
    const sink = await openPostgresSink(urlFor(schema))
    await expect(sink.open()).rejects.toMatchObject({
      fault: 'usage',
      message: expect.stringContaining('SQLSTATE 42P07'),
    })
    expect(
      await asked(
        schema,
        `SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident($1))`,
        [schema],
      ),
    ).toEqual([{ relname: 'frames' }])
  })

  it('needs no right to make anything where everything is made', async () => {
    const schema = newSchema()
    await (await opened(testScope(), schema)).close()
    for (const sql of [
      'CREATE ROLE writer LOGIN',
      `GRANT USAGE ON SCHEMA ${quoted(schema)} TO writer`,
      'GRANT SELECT, INSERT, UPDATE ON connections TO writer',
      'GRANT SELECT, INSERT ON frames, marks TO writer',
      'GRANT SELECT ON schema_version TO writer',
    ])
      await asked(schema, sql)
    const asWriter = urlFor(schema).replace(`user=${POSTGRES_USER}`, 'user=writer')
    const sink = await openPostgresSink(asWriter)
    testScope().defer(() => sink.close())
    await asked(schema, 'REVOKE INSERT ON frames FROM writer; REVOKE UPDATE ON connections FROM writer')
    const lacking = `UPDATE on ${quoted(schema)}.connections, INSERT on ${quoted(schema)}.frames`
    await expect(sink.open()).rejects.toMatchObject({
      fault: 'usage',
      message: `cannot write to postgres:///postgres: the user lacks a privilege (${lacking})`,
    })
    await asked(schema, 'GRANT INSERT ON frames TO writer; GRANT UPDATE ON connections TO writer')
    await sink.open()
    await write(sink, talk({ said: [['upstream', bytesOf('x')]] }))
    await write(sink, talk({ said: [['upstream', bytesOf('x')]] }))
    expect(await count(schema, 'frames')).toBe(2)
  })

  it('says in one line who is wrong, and never the password', async () => {
    const tcp = (who: string, name = 'postgres', more = ''): string =>
      `postgres://${who}@${LOOPBACK}:${database.cluster.port}/${name}?schema=s${more}`
    const socket = `host=${encodeURIComponent(database.cluster.directory)}`
    await asked('postgres', 'CREATE ROLE nobody_much LOGIN').catch(() => {})
    const cases: readonly (readonly [string, string, string])[] = [
      [tcp(`${POSTGRES_USER}:wr0ng-secret`), 'usage', 'wrong user or password'],
      [tcp(POSTGRES_USER), 'usage', 'the server wants a password'],
      [tcp(`${POSTGRES_USER}:${POSTGRES_PASSWORD}`, 'nowhere'), 'usage', 'there is no such database'],
      [
        tcp(`${POSTGRES_USER}:${POSTGRES_PASSWORD}`, 'postgres', '&sslmode=verify-full'),
        'usage',
        'does not speak TLS',
      ],
      [
        `postgres:///postgres?user=nobody_much&port=${database.cluster.port}&${socket}&schema=other`,
        'usage',
        'lacks a privilege',
      ],
      [`postgres://u:wr0ng-secret@${LOOPBACK}:1/x`, 'peer', 'nobody listens there'],
      [`postgres:///x?user=u&password=wr0ng-secret&port=1&${socket}`, 'peer', 'there is no such socket'],
    ]
    for (const [url, fault, text] of cases) {
      const sink = await openPostgresSink(url)
      const error = await sink.open().then(
        () => null,
        (thrown: unknown) => thrown as Error & { fault: string },
      )
      expect(error, url).toMatchObject({ fault, message: expect.stringContaining(text) })
      const all = `${error?.message} ${sink.where} ${JSON.stringify(error)} ${error?.cause}`
      expect(all).not.toMatch(/secret|horse/)
      expect(error?.message).not.toContain('\n')
    }
    expect(await count('postgres', `pg_namespace WHERE nspname IN ('s', 'other')`)).toBe(0)
  })

  it('stores nothing of a batch whose writing is given up, and soon', async () => {
    const schema = newSchema()
    const scope = testScope()
    const sink = await opened(scope, schema)
    const { records, stuck } = await stuckBatch(scope, schema)
    const controller = new AbortController()
    const writing = sink.write(records, controller.signal)
    writing.catch(() => {})
    await stuck()
    controller.abort()
    await expect(within(2000, 'the write to fail', writing)).rejects.toMatchObject({ fault: 'peer' })
    await expect(write(sink, records)).rejects.toMatchObject({ code: 'misuse' })
    await eventually('the server to forget it', async () => (await count('postgres', busy())) === 0)
    expect(await count(schema, 'frames')).toBe(0)
  })

  it('counts a server that has stopped answering as away, in the time that the URL says', async () => {
    const schema = newSchema()
    const scope = testScope()
    const sink = await opened(scope, schema, '&timeout=500ms')
    const { records, release } = await stuckBatch(scope, schema)
    const began = performance.now()
    await expect(write(sink, records)).rejects.toMatchObject({ fault: 'peer', retryable: true })
    expect(performance.now() - began).toBeLessThan(5000)
    await release()

    await sink.open()
    const [{ pid } = {}] = await asked(
      'postgres',
      `SELECT pid FROM pg_stat_activity WHERE application_name = 'sink${sinks}' AND state = 'idle'`,
    )
    const backend = Number(pid)
    process.kill(backend, 'SIGSTOP')
    try {
      await expect(within(10_000, 'the write to fail', write(sink, records))).rejects.toMatchObject({
        fault: 'peer',
        message: expect.stringContaining('has not answered for 0.5 s'),
      })
    } finally {
      process.kill(backend, 'SIGCONT')
    }

    server.child.kill('SIGSTOP')
    try {
      await expect(within(10_000, 'the opening to fail', sink.open())).rejects.toMatchObject({
        fault: 'peer',
        message: expect.stringContaining('does not answer'),
      })
    } finally {
      server.child.kill('SIGCONT')
    }
    await sink.open()
    await write(sink, records)
    expect(await count(schema, 'frames')).toBe(3)
  })

  it('stores all of a batch or nothing when the server is killed in the middle of it', async () => {
    const schema = newSchema()
    const scope = testScope()
    const sink = await opened(scope, schema)
    const before = talk({ connection: 77, said: [['upstream', bytesOf('kept')]] })
    await write(sink, before)
    const { records, stuck } = await stuckBatch(scope, schema)
    const writing = write(sink, records)
    writing.catch(() => {})
    await stuck()
    await server.stop('SIGKILL')
    await expect(within(10_000, 'the write to fail', writing)).rejects.toMatchObject({ fault: 'peer' })
    await expect(sink.open()).rejects.toMatchObject({ fault: 'peer', retryable: true })

    server = await startAgain()
    await eventually(
      'the server to be there again',
      () =>
        sink.open().then(
          () => true,
          () => false,
        ),
      30_000,
    )
    expect(await count(schema, 'frames')).toBe(1)
    expect(await count(schema, 'connections')).toBe(1)
    await write(sink, records)
    expect(await count(schema, 'frames')).toBe(4)
    expect(await count(schema, 'connections')).toBe(2)
    expect(await count(schema, 'marks')).toBe(4)
  }, 60_000)

  /** Until the last of its processes is gone, another server does not start. */
  const startAgain = (): Promise<Daemon> =>
    eventually(
      'the server to start again',
      () => startCluster(block, database.cluster).catch(() => null),
      30_000,
    )

  const busy = (): string =>
    `pg_stat_activity WHERE application_name = 'sink${sinks}' AND wait_event_type = 'Lock'`

  /** A batch that is stored in part and then waits for a lock; `stuck` resolves when it does. */
  const stuckBatch = async (scope: Scope, schema: string) => {
    const blocker = await database.session(schema, scope)
    await blocker.query('BEGIN; LOCK TABLE marks IN EXCLUSIVE MODE')
    const said = [1, 2, 3].map((n) => ['upstream', bytesOf(`frame ${n}`)] as const)
    return {
      records: talk({ said }),
      stuck: () =>
        eventually('the batch to wait for the lock', async () => (await count('postgres', busy())) > 0),
      release: () => blocker.query('COMMIT'),
    }
  }
})
