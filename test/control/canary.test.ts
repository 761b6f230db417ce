/** A secret on its way through a gateway that masks it: in no database, spool, rotated or compressed file, however it came in pieces. */

import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { createGateway, type GatewayConfigInput } from '../../src/index.js'
import { openRecording } from '../../src/recording.js'
import { POSTGRES_TOOLS, startDatabase } from '../support/database.js'
import { type Scope, testScope } from '../support/scope.js'
import { dial, LOOPBACK, startServer } from '../support/sockets.js'
import { describeWith } from '../support/tools.js'

const SECRET = 'CANARY7x'
const MASKED = '*'.repeat(SECRET.length)
const ROUNDS = 4

/** Every place to cut it in two, and one byte at a time. */
const PIECES = [
  ...Array.from({ length: SECRET.length - 1 }, (_, at) => [SECRET.slice(0, at + 1), SECRET.slice(at + 1)]),
  [...SECRET],
]

/** Relays the secret in all pieces; resolves with all that the upstream has heard. */
const relay = async (scope: Scope, record: GatewayConfigInput['record']) => {
  const heard: Buffer[] = []
  const echo = await startServer(scope, (socket) => {
    socket.on('data', (chunk) => heard.push(chunk)).pipe(socket)
  })
  const said: string[] = []
  const print = (fields: object, message: string): void =>
    void said.push(JSON.stringify({ ...fields, message }))
  const gateway = await createGateway(
    { listeners: [{ listen: `${LOOPBACK}:0`, upstream: `${LOOPBACK}:${echo.port}` }], record },
    { logger: { debug: print, info: print, warn: print, error: print } },
  )
  scope.defer(() => gateway.destroy())
  const { address } = gateway.listeners[0]!
  const client = await dial(scope, address.kind === 'tcp' ? address.port : 0)
  for (let round = 0; round < ROUNDS; round++)
    for (const pieces of PIECES)
      for (const piece of [...pieces, ' said ']) {
        // Each piece is a chunk of its own, both ways.
        const echoed = once(client, 'data')
        client.write(piece)
        await echoed
      }
  const closed = once(client, 'close')
  client.end()
  await closed
  return { gateway, said, heard: Buffer.concat(heard).toString() }
}

const WHOLE = `${SECRET} said `.repeat(PIECES.length * ROUNDS)
const STORED = `${MASKED} said `.repeat(PIECES.length * ROUNDS)

const redact = [{ pattern: 'CANARY\\d\\w' }]

/** What is stored of each direction, as our reader gives it. */
const storedIn = async (source: string): Promise<Readonly<Record<string, string>>> => {
  const streams: Record<string, string> = {}
  for await (const event of (await openRecording(source)).events())
    if (event.kind === 'data')
      streams[event.direction] = (streams[event.direction] ?? '') + Buffer.from(event.bytes).toString()
  return streams
}

it('is in none of many files, compressed or not', async () => {
  const scope = testScope()
  const folder = join(scope.tempDir(), 'traffic')
  const { gateway, said, heard } = await relay(scope, {
    file: `${folder}/`,
    rotate: { size: '64KiB', every: '1s' },
    compress: 'gzip',
    redact,
  })
  await gateway.close()
  expect(heard).toBe(WHOLE)
  expect(await storedIn(folder)).toEqual({ upstream: STORED, downstream: STORED })
  const files = readdirSync(folder).map((name) => readFileSync(join(folder, name)))
  expect(files.length).toBeGreaterThan(0)
  for (const file of files) expect((file[0] === 0x1f ? gunzipSync(file) : file).includes(SECRET)).toBe(false)
  expect(said.join('\n')).not.toContain(SECRET)
})

describeWith(POSTGRES_TOOLS, 'a secret', () => {
  it('is in neither database nor spool', async () => {
    const scope = testScope()
    const { database } = await startDatabase(scope)
    const schema = database.newSchema()
    const spool = join(scope.tempDir(), 'spool')
    const url = database.url(schema)
    const { gateway, said, heard } = await relay(scope, {
      to: url,
      spool: { dir: spool, size: '64MiB' },
      redact,
    })
    for (const name of readdirSync(spool))
      expect(readFileSync(join(spool, name)).includes(SECRET), name).toBe(false)
    await gateway.close()
    expect(heard).toBe(WHOLE)
    expect(await storedIn(url)).toEqual({ upstream: STORED, downstream: STORED })
    const rows = await database.ask(
      schema,
      'SELECT string_agg(data, NULL ORDER BY direction, at) AS all FROM frames',
    )
    expect(Buffer.from(rows[0]?.all as Uint8Array).includes(SECRET)).toBe(false)
    expect(said.join('\n')).not.toContain(SECRET)
  }, 60_000)
})
