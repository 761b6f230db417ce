import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { expectFailure } from '../support/failure.js'
import { blockScope, testScope, within } from '../support/scope.js'
import { dial, exchange, freePort, LOOPBACK, startServer } from '../support/sockets.js'
import { startRecorder, startRelay } from '../support/tidegate.js'
import { findTool } from '../support/tools.js'

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
