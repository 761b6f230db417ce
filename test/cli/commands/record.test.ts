/** What `record` says in the end: the same of a file, of many files and of a database, and to a person whatever the log leaves out. */

import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Database, POSTGRES_TOOLS, startDatabase } from '../../support/database.js'
import { blockScope, eventually, type Scope, testScope } from '../../support/scope.js'
import { dial, exchange, freePort, LOOPBACK, startServer } from '../../support/sockets.js'
import { startTidegate, tidegate } from '../../support/tidegate.js'
import { describeWith } from '../../support/tools.js'

/** Two connections that say 100,000 bytes each way, of which `--max-bytes` cuts 20,000 each; then the end. */
const record = async (scope: Scope, ...args: readonly string[]) => {
  const echo = await startServer(scope, (socket) => socket.pipe(socket))
  const port = await freePort()
  const [listen, target] = [`${LOOPBACK}:${port}`, `${LOOPBACK}:${echo.port}`]
  const gateway = startTidegate(scope, ['record', listen, target, '--max-bytes', '80000B', ...args])
  for (let n = 0; n < 2; n++) {
    // Its log may leave out that it listens.
    const socket = await eventually('it to listen', () => dial(scope, port).catch(() => null), 20_000)
    expect(await exchange(socket, Buffer.alloc(100_000, 'x'))).toHaveLength(100_000)
  }
  expect(await gateway.finish()).toBe(0)
  return { last: gateway.log.at(-1), noise: gateway.noise }
}

const SUM = 'recorded 2 connections, 313 KiB (0 B lost, 78.1 KiB not recorded) to'

describe('record says in the end', () => {
  it('what it has recorded into a file, as a line of the log where that is JSON', async () => {
    const scope = testScope()
    const file = join(scope.tempDir(), 'one.pcapng')
    expect(await record(scope, '--out', file)).toMatchObject({
      last: { level: 'info', msg: `${SUM} ${file}` },
      noise: [],
    })
  })

  it('into how many files, and verify finds as much in them', async () => {
    const scope = testScope()
    const folder = `${scope.tempDir()}/`
    const { last } = await record(scope, '--out', folder, '--rotate-size', '64KiB', '--compress', 'gzip')
    const files = Number(/ to (\d+) files, /.exec(last?.msg ?? '')?.[1])
    expect(files).toBeGreaterThan(4)
    expect(last?.msg).toBe(`${SUM} ${files} files, ${folder}`)
    const { stdout } = await tidegate(['verify', folder])
    expect(stdout.toString()).toMatch(new RegExp(`^ok: 2 connections, 313 KiB, .*, ${files} files\n$`))
  })

  it.each(['info', 'warn', 'silent'])('to a person with --log-level %s', async (level) => {
    const scope = testScope()
    const file = join(scope.tempDir(), 'one.pcapng')
    const { noise } = await record(scope, '--out', file, '--log-format', 'pretty', '--log-level', level)
    expect(noise.at(-1)).toBe(`tidegate: ${SUM} ${file}`)
    if (level !== 'info') expect(noise).toHaveLength(1)
  })
})

describeWith(POSTGRES_TOOLS, 'record into a database says in the end', () => {
  const scope = blockScope()
  let database: Database
  beforeAll(async () => {
    ;({ database } = await startDatabase(scope))
  }, 90_000)

  it('what it has recorded, and what is there now', async () => {
    const schema = database.newSchema()
    const to = database.url(schema)
    const { last } = await record(testScope(), '--to', to, '--spool', join(scope.tempDir(), 'spool'))
    // Of a URL it shows what has no secrets.
    expect(last?.msg).toBe(`${SUM} postgres:///postgres`)
    const { stdout } = await tidegate(['verify', to])
    expect(stdout.toString()).toMatch(/^ok: 2 connections, 313 KiB, /)
  })
})
