/**
 * A secret on its way through a gateway that masks it, in every way of coming in pieces: the upstream gets it whole, and it is in no file,
 * spool or database, nor in the log.
 */

import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createGateway, type GatewayConfigInput } from '../../src/index.js'
import { openRecording } from '../../src/recording.js'
import { filesBelow, filesWithParts, MASKED, partsIn, REDACT, SECRET, waysToCut } from '../support/canary.js'
import { POSTGRES_TOOLS, startDatabase } from '../support/database.js'
import { eventually, type Scope, testScope, within } from '../support/scope.js'
import { startCluster } from '../support/servers/postgres.js'
import { dial, LOOPBACK, startServer } from '../support/sockets.js'
import { describeWith } from '../support/tools.js'

const WAYS = waysToCut(SECRET)
const BETWEEN = ' said '
const SAID = `${SECRET}${BETWEEN}`.repeat(WAYS.length)
const STORED = `${MASKED}${BETWEEN}`.repeat(WAYS.length)

/** Relays the secret in all pieces, and sees that the upstream gets these very pieces, and the client all of them back. */
const relay = async (scope: Scope, record: GatewayConfigInput['record']) => {
  const heard: string[] = []
  const echo = await startServer(scope, (socket) => {
    socket.on('data', (chunk) => heard.push(chunk.toString())).pipe(socket)
  })
  const log: string[] = []
  const print =
    (level: string) =>
    (fields: object, message: string): void =>
      void log.push(JSON.stringify({ level, ...fields, message }))
  const gateway = await createGateway(
    { listeners: [{ listen: `${LOOPBACK}:0`, upstream: `${LOOPBACK}:${echo.port}` }], record },
    { logger: { debug: print('debug'), info: print('info'), warn: print('warn'), error: print('error') } },
  )
  scope.defer(() => gateway.destroy())
  const { address } = gateway.listeners[0]!
  const client = await dial(scope, address.kind === 'tcp' ? address.port : 0)
  const echoed: string[] = []
  for (const pieces of WAYS)
    for (const piece of [...pieces, BETWEEN]) {
      // Each piece is a chunk of its own, both ways.
      const answer = once(client, 'data')
      client.write(piece)
      echoed.push(String((await within(5000, 'an echo', answer))[0]))
    }
  const closed = once(client, 'close')
  client.end()
  await within(5000, 'the end', closed)
  expect(heard).toEqual(WAYS.flatMap((pieces) => [...pieces, BETWEEN]))
  expect(echoed.join('')).toBe(SAID)
  return { gateway, log }
}

/** What is stored of each direction, as our reader gives it. */
const storedIn = async (source: string): Promise<Readonly<Record<string, string>>> => {
  const streams: Record<string, string> = {}
  for await (const event of (await openRecording(source)).events())
    if (event.kind === 'data')
      streams[event.direction] = (streams[event.direction] ?? '') + Buffer.from(event.bytes).toString()
  return streams
}

const EVERYTHING_MASKED = { upstream: STORED, downstream: STORED }

describe('a secret', { retry: 0 }, () => {
  it('would be found where it is', () => {
    expect(WAYS).toHaveLength(2 ** (SECRET.length - 1))
    for (const pieces of WAYS) expect(pieces.join('')).toBe(SECRET)
    expect(partsIn(`before ${SECRET} behind`)).toHaveLength(4)
    expect(partsIn(Buffer.from(SECRET).toString('hex'))).toHaveLength(4)
    expect(partsIn(SECRET.slice(0, -1))).toHaveLength(3)
    expect(partsIn(STORED)).toEqual([])
  })

  it('is not in a file', async () => {
    const scope = testScope()
    const folder = scope.tempDir()
    const file = join(folder, 'traffic.pcapng')
    const { gateway, log } = await relay(scope, { file, redact: REDACT })
    await gateway.close()
    expect(await storedIn(file)).toEqual(EVERYTHING_MASKED)
    expect(filesWithParts(folder)).toEqual([])
    expect(log.length).toBeGreaterThan(0)
    expect(partsIn(log.join('\n'))).toEqual([])
  })

  it('is in none of many files, compressed or not', async () => {
    const scope = testScope()
    const folder = join(scope.tempDir(), 'traffic')
    const { gateway, log } = await relay(scope, {
      file: `${folder}/`,
      rotate: { size: '64KiB', every: '1s' },
      compress: 'gzip',
      redact: REDACT,
    })
    const compressed = (): number => filesBelow(folder).filter(({ path }) => path.endsWith('.gz')).length
    await eventually('a file to be compressed', () => compressed() > 0)
    await gateway.close()
    expect(await storedIn(folder)).toEqual(EVERYTHING_MASKED)
    expect(filesBelow(folder).length).toBeGreaterThan(1)
    expect(filesWithParts(folder)).toEqual([])
    expect(partsIn(log.join('\n'))).toEqual([])
  })
})

describeWith(POSTGRES_TOOLS, 'a secret that goes to a database', () => {
  it('is neither in the spool while that is away, nor in anything of the database then', {
    retry: 0,
    timeout: 90_000,
  }, async () => {
    const scope = testScope()
    const { database, server } = await startDatabase(scope)
    const { cluster } = database
    const schema = database.newSchema()
    const spool = join(scope.tempDir(), 'spool')
    await server.stop('SIGINT', 15_000)

    const url = database.url(schema)
    const { gateway, log } = await relay(scope, {
      to: url,
      spool: { dir: spool, size: '64MiB' },
      redact: REDACT,
    })
    const counters = () => gateway.counters().recording!
    await eventually('all to be in the spool', () => counters().seenBytes === counters().storedBytes)
    const waiting = filesBelow(spool)
    expect(waiting.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeGreaterThan(2 * STORED.length)
    expect(waiting.some(({ bytes }) => bytes.includes(MASKED))).toBe(true)
    expect(filesWithParts(spool)).toEqual([])

    const again = await startCluster(scope, cluster)
    await eventually(
      'the database to have all of it',
      async () => {
        const stored = 'connections WHERE upstream_stored IS NOT NULL'
        return (await database.count(schema, stored).catch(() => 0)) === 1
      },
      30_000,
    )
    await gateway.close()
    expect(await storedIn(url)).toEqual(EVERYTHING_MASKED)
    for (const table of ['connections', 'frames', 'marks']) {
      const rows = await database.ask(schema, `SELECT t::text AS text FROM ${table} t`)
      expect(rows.length, table).toBeGreaterThan(0)
      expect(partsIn(rows.map(({ text }) => String(text)).join('\n')), table).toEqual([])
    }
    // What it has in memory is on its disk then.
    await again.stop('SIGINT', 15_000)
    const files = filesBelow(cluster.directory)
    for (const where of ['/pg_wal/', '/base/'])
      expect(
        files.some(({ path, bytes }) => path.includes(where) && bytes.includes(MASKED)),
        where,
      ).toBe(true)
    expect(filesWithParts(cluster.directory)).toEqual([])
    expect(partsIn(server.output() + again.output())).toEqual([])
    expect(partsIn(log.join('\n'))).toEqual([])
  })
})
