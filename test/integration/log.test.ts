import { closeSync, existsSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { startDaemon } from '../support/processes.js'
import { testScope, within } from '../support/scope.js'
import { dial, exchange, freePort, LOOPBACK, startServer, waitUntilAccepting } from '../support/sockets.js'

const CLI = process.env.TEST_CLI ?? join(import.meta.dirname, '../../dist/cli/main.js')
const FULL = '/dev/full'

// /dev/full is Linux's: a device that is always full.
it.runIf(existsSync(FULL)).each(['json', 'pretty'])(
  'a gateway whose %s log goes to a full disk serves on, and ends in order',
  async (format) => {
    const scope = testScope()
    const server = await startServer(scope, (socket) => socket.pipe(socket))
    const port = await freePort()
    const full = openSync(FULL, 'w')
    const args = [CLI, 'relay', `${LOOPBACK}:${port}`, `${LOOPBACK}:${server.port}`, '--log-format', format]
    const gateway = startDaemon(scope, process.execPath, args, { stdio: ['ignore', 'ignore', full] })
    closeSync(full)
    await waitUntilAccepting(gateway, port)
    for (let n = 0; n < 20; n++)
      expect(String(await exchange(await dial(scope, port), Buffer.from(`client ${n}`)))).toBe(`client ${n}`)
    gateway.child.kill('SIGTERM')
    expect((await within(10_000, 'the gateway to end', gateway.exited)).code).toBe(0)
  },
)
