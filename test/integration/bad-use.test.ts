import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { blockScope, testScope, within } from '../support/scope.js'
import { dial, exchange, freePort, LOOPBACK, startServer } from '../support/sockets.js'
import { startRelay, tidegate } from '../support/tidegate.js'

/** One line, led by the program's name, and nothing that looks like a stack or an object. */
const ONE_LINE = /^tidegate: [^\n]+\n$/

const expectFailure = async (args: readonly string[], code: number, says: RegExp): Promise<void> => {
  const finished = await tidegate(args, { timeoutMs: 15_000 })
  expect(finished.stderr).toMatch(ONE_LINE)
  expect(finished.stderr).toMatch(says)
  expect(finished.stderr).not.toMatch(/^\s*at |node:internal|\bError\b:/m)
  expect(finished.stdout.toString()).toBe('')
  expect(finished.code, finished.stderr).toBe(code)
}

describe('a wrong command', () => {
  it.each([
    { what: 'a listen address without a port', args: ['relay', 'localhost', ':80'], says: /localhost.*port/ },
    { what: 'a target that is no address', args: ['relay', ':0', 'a:b:c'], says: /a:b:c/ },
    { what: 'a port that is too large', args: ['relay', ':70000', ':80'], says: /70000/ },
    { what: 'no target', args: ['relay', ':0'], says: /target/i },
    { what: 'no command that there is', args: ['rely', ':0', ':80'], says: /rely/ },
    {
      what: 'an option that there is not',
      args: ['relay', ':0', ':80', '--idel-timeout', '5s'],
      says: /idel-timeout/,
    },
    { what: 'a duration without a unit', args: ['relay', ':0', ':80', '--idle-timeout', '5'], says: /5/ },
    { what: 'a recording without a file', args: ['record', ':0', ':80'], says: /--out/ },
    {
      what: 'a policy that there is not',
      args: ['record', ':0', ':80', '--out', 'x', '--overload', 'wait'],
      says: /wait/,
    },
    {
      what: 'a network that is none',
      args: ['relay', ':0', ':80', '--allow', '10.0.0.0/99'],
      says: /10\.0\.0\.0\/99/,
    },
  ])('$what is one line and exit code 2', async ({ args, says }) => {
    await expectFailure(args, 2, says)
  })
})

describe('work that cannot be done', () => {
  const scope = blockScope()

  it('a taken port is one line with the address and exit code 1', async () => {
    const { port } = await startServer(testScope(), (socket) => socket.destroy())
    await expectFailure(['relay', `${LOOPBACK}:${port}`, ':80'], 1, new RegExp(`${LOOPBACK}:${port}`))
  })

  it('an address that is not this machine’s is one line and exit code 1', async () => {
    // TEST-NET-1 (RFC 5737): nobody's address.
    await expectFailure(['relay', '192.0.2.1:0', ':80'], 1, /192\.0\.2\.1/)
  })

  const isRoot = process.getuid?.() === 0
  if (isRoot) process.stderr.write('SKIPPED a port without permission: root has it\n')
  it.skipIf(isRoot)('a port without permission is one line and exit code 1', async () => {
    await expectFailure(['relay', `${LOOPBACK}:80`, ':8080'], 1, /permission/i)
  })

  it('a recording into a directory that is not there is one line and exit code 1', async () => {
    const file = join(scope.tempDir(), 'no', 'such', 'place.pcapng')
    await expectFailure(['record', `${LOOPBACK}:0`, ':80', '--out', file], 1, /place\.pcapng/)
  })

  it.each(['inspect', 'verify'])(
    '%s of a file that is not there is one line and exit code 1',
    async (command) => {
      const file = join(scope.tempDir(), 'missing.pcapng')
      await expectFailure([command, file], 1, /missing\.pcapng/)
    },
  )

  it.each(['inspect', 'verify'])('%s of a directory is one line and exit code 1', async (command) => {
    const directory = join(scope.tempDir(), 'directory')
    mkdirSync(directory)
    await expectFailure([command, directory], 1, /directory/)
  })

  it.each(['inspect', 'verify'])('%s of a foreign file is one line and exit code 1', async (command) => {
    const file = join(scope.tempDir(), 'letter.txt')
    writeFileSync(file, 'Dear reader,\nthis is no recording.\n'.repeat(100))
    await expectFailure([command, file], 1, /letter\.txt/)
  })

  it('a foreign file is never recorded over', async () => {
    const file = join(scope.tempDir(), 'precious.txt')
    writeFileSync(file, 'precious\n'.repeat(100))
    await expectFailure(['record', `${LOOPBACK}:0`, ':80', '--out', file], 1, /precious\.txt/)
  })
})

describe('an unreachable target', () => {
  it('ends its client with a reset, and the gateway serves the next once the target is there', async () => {
    const ends = testScope()
    const port = await freePort()
    const gateway = await startRelay(ends, port)
    const client = await dial(ends, gateway.port)
    client.resume()
    const [error] = await within(5000, 'a reset', once(client, 'error'))
    expect(error).toMatchObject({ code: 'ECONNRESET' })
    expect(await gateway.closed(1)).toMatchObject([{ reason: 'dial_failed' }])

    const echo = createServer((socket) => socket.pipe(socket)).listen(port, LOOPBACK)
    ends.defer(() => echo.close())
    await once(echo, 'listening')
    expect((await exchange(await dial(ends, gateway.port), Buffer.from('hello'))).toString()).toBe('hello')
    expect(await gateway.finish()).toBe(0)
    expect(gateway.noise).toEqual([])
  })
})
