import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { beforeAll, expect, it } from 'vitest'
import { SinkRecords } from '../../../src/core/record/delivery/sink-records.js'
import type { Sink, SinkRecord } from '../../../src/ports/sink.js'
import { openRecording } from '../../../src/recording.js'
import { openPostgresSink } from '../../../src/sinks/postgres/postgres-sink.js'
import { openPostgresChunks } from '../../../src/sources/postgres/postgres-chunks.js'
import { type Database, POSTGRES_TOOLS, startDatabase } from '../../support/database.js'
import { findingsOf } from '../../support/findings.js'
import { bytesOf, START_NS, talk } from '../../support/records.js'
import { blockScope, type Scope, testScope } from '../../support/scope.js'
import { tidegate } from '../../support/tidegate.js'
import { describeWith } from '../../support/tools.js'

describeWith(POSTGRES_TOOLS, 'a PostgreSQL database that is read', () => {
  const block = blockScope()
  let database: Database
  beforeAll(async () => {
    ;({ database } = await startDatabase(block))
  }, 90_000)

  const opened = async (scope: Scope, schema: string): Promise<Sink> => {
    const sink = await openPostgresSink(database.url(schema))
    scope.defer(() => sink.close())
    await sink.open()
    return sink
  }

  const stored = async (records: readonly SinkRecord[]): Promise<string> => {
    const schema = database.newSchema()
    const sink = await opened(testScope(), schema)
    await sink.write(records, new AbortController().signal)
    return schema
  }

  /** All that `url` names, as the records that a sink would be given. */
  const readBack = async (url: string): Promise<readonly SinkRecord[]> => {
    const recording = await openRecording(url)
    const records = new SinkRecords()
    const found: SinkRecord[] = []
    for await (const event of recording.events()) found.push(...records.push(event))
    expect(recording.damage).toBe(null)
    return found
  }

  const hello = [
    ['upstream', bytesOf('hello')],
    ['downstream', bytesOf('welcome')],
  ] as const

  it('gives the records that were stored, of every kind of client', async () => {
    const [early, late] = [randomUUID(), randomUUID()]
    const clients = ['10.0.0.1:5', '[2001:db8::7]:6', '[fe80::1%eth0]:7', 'unix:', 'unix:/run/c.sock']
    const first = clients.flatMap((client, n) =>
      talk({ recording: early, connection: n + 1, client, listener: n % 2 === 0 ? 'a' : 'b', said: hello }),
    )
    const empty = talk({ recording: early, connection: 100 })
    const second = talk({
      recording: late,
      connection: 1,
      startNs: START_NS + 10n ** 12n,
      server: 'unix:/run/s.sock',
      said: hello,
    })
    const schema = await stored([...second, ...empty, ...first])
    expect(await readBack(database.url(schema))).toEqual([...first, ...empty, ...second])
    expect(await readBack(database.url(schema, `&recording=${late}`))).toEqual(second)
    expect(await findingsOf(database.url(schema))).toEqual([])
  })

  it('gives a NUL in a name as its symbol, and what was told of losses', async () => {
    const key = { recording: randomUUID(), connection: 2 ** 40 }
    const lost = { at: 5, length: 7, why: 'overload: dropped' }
    const up = { ...key, direction: 'upstream' } as const
    const records: readonly SinkRecord[] = [
      { kind: 'open', ...key, timeNs: START_NS, listener: 'a', client: 'unix:\0name', server: '10.0.0.2:2' },
      { kind: 'data', ...up, at: 0, timeNs: START_NS + 1n, bytes: bytesOf('hello') },
      { kind: 'gap', ...up, ...lost, timeNs: START_NS + 3n, cut: false },
      { kind: 'data', ...up, at: 12, timeNs: START_NS + 3n, bytes: bytesOf('again') },
      {
        kind: 'close',
        ...key,
        timeNs: START_NS + 9n,
        reason: 'upstream_reset',
        upstream: { seen: 17, stored: 10, lost: [lost] },
        downstream: { seen: 0, stored: 0, lost: [] },
      },
    ]
    const schema = await stored(records)
    const [open, ...rest] = records
    expect(await readBack(database.url(schema))).toEqual([{ ...open, client: 'unix:\u2400name' }, ...rest])
    expect(await findingsOf(database.url(schema))).toEqual(['hole'])
  })

  it('gives megabytes byte for byte, and connections by the hundred', async () => {
    const recording = randomUUID()
    const hashes = new Map<string, ReturnType<typeof createHash>>()
    const hash = (name: string): ReturnType<typeof createHash> => {
      const made = hashes.get(name) ?? createHash('sha256')
      hashes.set(name, made)
      return made
    }
    const note = (record: SinkRecord): void => {
      if (record.kind === 'data') hash(`${record.connection} ${record.direction}`).update(record.bytes)
    }
    const digests = (): Readonly<Record<string, string>> => {
      const found = Object.fromEntries([...hashes].sort().map(([name, hash]) => [name, hash.digest('hex')]))
      hashes.clear()
      return found
    }
    const schema = database.newSchema()
    const sink = await opened(testScope(), schema)
    for (let batch = 0; batch < 3; batch++) {
      const records = Array.from({ length: 80 }, (_, n) =>
        talk({
          recording,
          connection: batch * 80 + n,
          startNs: START_NS + BigInt(batch * 80 + n) * 1_000_000n,
          said: [
            ['upstream', randomBytes(100)],
            ['downstream', randomBytes(n === 7 ? 3_000_000 : 5_000)],
            ['upstream', randomBytes(1 + n)],
          ],
        }),
      ).flat()
      for (const record of records) note(record)
      await sink.write(records, new AbortController().signal)
    }
    const expected = digests()
    expect(Object.keys(expected).length).toBe(480)
    for (const record of await readBack(database.url(schema))) note(record)
    expect(digests()).toEqual(expected)
    expect(await findingsOf(database.url(schema))).toEqual([])
  }, 60_000)

  it('finds the row that was deleted, and the byte that is missing at the end', async () => {
    const said = Array.from({ length: 10 }, (_, n) => ['upstream', bytesOf(`frame ${n}.`)] as const)
    for (const at of [0, 40, 72]) {
      const schema = await stored(talk({ connection: 5, said }))
      expect(await findingsOf(database.url(schema))).toEqual([])
      await database.ask(schema, 'DELETE FROM frames WHERE at = $1', [at])
      expect(await findingsOf(database.url(schema))).toEqual(['hole', 'mismatch'])
      if (at !== 40) continue
      const { code, stdout } = await tidegate(['verify', database.url(schema)])
      expect(code, stdout.toString()).toBe(1)
      expect(stdout.toString()).toContain('hole')
    }
  })

  it('keeps the order of a direction when the clock was set back', async () => {
    const said = Array.from(
      { length: 50 },
      (_, n) => [n % 3 === 0 ? 'downstream' : 'upstream', bytesOf(`frame ${n}.`)] as const,
    )
    const records = talk({ said }).map((record, index) =>
      index > 20 ? { ...record, timeNs: record.timeNs - 10n ** 10n } : record,
    )
    const schema = await stored(records)
    expect(await findingsOf(database.url(schema))).toEqual([])
    const text = (found: readonly SinkRecord[]): string =>
      found
        .map((record) =>
          record.kind === 'data' && record.direction === 'upstream'
            ? Buffer.from(record.bytes).toString()
            : '',
        )
        .join('')
    expect(text(await readBack(database.url(schema)))).toBe(text(records))
  })

  it('shows connections that are still open, and reads what was there when it began', async () => {
    const schema = database.newSchema()
    const sink = await opened(testScope(), schema)
    const recording = randomUUID()
    const records = talk({ recording, connection: 1, said: hello })
    await sink.write(records.slice(0, 2), new AbortController().signal)
    const source = await openPostgresChunks(database.url(schema))
    const chunks: Buffer[] = []
    await sink.write(records, new AbortController().signal)
    for await (const chunk of source.chunks()) chunks.push(Buffer.from(chunk))
    await source.close()
    expect(Buffer.concat(chunks).includes('hello')).toBe(true)
    expect(Buffer.concat(chunks).includes('welcome')).toBe(false)
    expect(await readBack(database.url(schema))).toEqual(records)
  })

  it('is exported and listed as a file would be', async () => {
    const schema = await stored(talk({ connection: 12, said: hello }))
    const listed = await tidegate(['inspect', database.url(schema), '--json'])
    expect(JSON.parse(listed.stdout.toString())).toMatchObject({
      client: '127.0.0.1:40112',
      listener: 'db',
      reason: 'client_fin',
      bytes: { upstream: 5, downstream: 7 },
    })
    const exported = await tidegate(['export', database.url(schema), '--to', '-', '--format', 'jsonl'])
    expect(exported.code, exported.stderr).toBe(0)
    expect(exported.stdout.toString()).toContain(Buffer.from('welcome').toString('base64'))
  })

  it('says in one line what is not there', async () => {
    const empty = database.newSchema()
    await (await opened(testScope(), empty)).close()
    const cases: readonly (readonly [string, string])[] = [
      [database.url('never made'), `has no recordings in schema 'never made'`],
      [database.url(empty), 'no connection was recorded there'],
      [database.url(empty, `&recording=${randomUUID()}`), 'there is no recording'],
      [database.url(empty, '&recordings=x'), `there is no option 'recordings'`],
      ['postgres://u:wr0ng-secret@127.0.0.1:1/x', 'nobody listens there'],
    ]
    for (const [url, text] of cases) {
      const message = await openRecording(url).then(
        () => 'it was opened',
        (error: unknown) => (error as Error).message,
      )
      expect(message).toContain(text)
      expect(message).not.toMatch(/secret|\n/)
    }
    await expect(
      openRecording(['postgres://u:wr0ng-secret@127.0.0.1:1/x', 'package.json']),
    ).rejects.toMatchObject({
      message: `'postgres://127.0.0.1:1/x' cannot be read together with others: only files and directories can`,
    })
    await database.ask(empty, 'INSERT INTO schema_version (version) VALUES (99)')
    const { code, stderr } = await tidegate(['inspect', database.url(empty)])
    expect(code).toBe(2)
    expect(stderr).toMatch(/^tidegate: .*has version 99[^\n]*\n$/)
  })
})
