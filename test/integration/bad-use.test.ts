import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { blockScope, testScope, within } from '../support/scope.js'
import { dial, exchange, freePort, LOOPBACK, startServer } from '../support/sockets.js'
import { startRecorder, startRelay, tidegate } from '../support/tidegate.js'
import { findTool } from '../support/tools.js'

/** One line, led by the program's name, and nothing that looks like a stack or an object. */
const ONE_LINE = /^tidegate: [^\n]+\n$/

const expectFailure = async (
  args: readonly string[],
  code: number,
  says: RegExp,
  launcher: readonly string[] = [],
): Promise<void> => {
  const finished = await tidegate(args, { timeoutMs: 15_000, launcher })
  expect(finished.stderr).toMatch(ONE_LINE)
  expect(finished.stderr).toMatch(says)
  expect(finished.stderr).not.toMatch(/^\s*at |node:internal|\bError\b:/m)
  expect(finished.stdout.toString()).toBe('')
  expect(finished.code, finished.stderr).toBe(code)
}

const PRIVILEGED_PORT = 80

/** How to run a program that may not listen on a privileged port, or why everything may here. */
const launcherWithoutPrivilege = (): readonly string[] | string => {
  try {
    const firstFree = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'))
    if (firstFree <= PRIVILEGED_PORT) return `every port from ${firstFree} on is free for all`
  } catch {
    return 'not Linux'
  }
  if (process.getuid?.() !== 0) return []
  const setpriv = findTool('setpriv')
  if (setpriv === undefined) return 'root has it, and there is no setpriv to give it up'
  return [setpriv, '--bounding-set=-net_bind_service', '--inh-caps=-net_bind_service', '--']
}

describe('a wrong command', () => {
  it.each<[string, readonly string[], RegExp]>([
    ['a listen address without a port', ['relay', 'localhost', ':80'], /localhost.*port/],
    ['a target that is no address', ['relay', ':0', 'a:b:c'], /a:b:c/],
    ['a port that is too large', ['relay', ':70000', ':80'], /70000/],
    ['no target', ['relay', ':0'], /target/i],
    ['a command that there is not', ['rely', ':0', ':80'], /rely/],
    ['an option that there is not', ['relay', ':0', ':80', '--idel-timeout', '5s'], /idel-timeout/],
    ['a duration without a unit', ['relay', ':0', ':80', '--idle-timeout', '5'], /--idle-timeout.*unit/],
    ['a recording without a file', ['record', ':0', ':80'], /--out/],
    ['a policy that there is not', ['record', ':0', ':80', '--out', 'x', '--overload', 'wait'], /wait/],
    ['a network that is none', ['relay', ':0', ':80', '--allow', '10.0.0.0/99'], /10\.0\.0\.0\/99/],
  ])('%s is one line and exit code 2', async (_, args, says) => {
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

  const hindrance = launcherWithoutPrivilege()
  if (typeof hindrance === 'string') process.stderr.write(`SKIPPED a port without permission: ${hindrance}\n`)
  it.skipIf(typeof hindrance === 'string')(
    'a port without permission is one line and exit code 1',
    async () => {
      const launcher = typeof hindrance === 'string' ? [] : hindrance
      await expectFailure(['relay', `${LOOPBACK}:${PRIVILEGED_PORT}`, ':8080'], 1, /permission/i, launcher)
    },
  )

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

  it('a file that another gateway records to is one line and exit code 1', async () => {
    const { file } = await startRecorder(testScope(), await freePort())
    await expectFailure(['record', `${LOOPBACK}:0`, ':80', '--out', file], 1, /recording\.pcapng/)
  })

  it('a foreign file is never recorded over', async () => {
    const file = join(scope.tempDir(), 'precious.txt')
    writeFileSync(file, 'precious\n'.repeat(100))
    await expectFailure(['record', `${LOOPBACK}:0`, ':80', '--out', file], 1, /precious\.txt/)
    expect(readFileSync(file, 'utf8')).toBe('precious\n'.repeat(100))
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
