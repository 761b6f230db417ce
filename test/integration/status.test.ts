/** What somebody at a terminal learns of upstreams: on SIGUSR2, and at the end. */

import { expect, it } from 'vitest'
import { eventually, testScope } from '../support/scope.js'
import { dial, freePort, LOOPBACK, readAll, startServer } from '../support/sockets.js'
import { startRelay } from '../support/tidegate.js'

it.skipIf(process.platform === 'win32')(
  'a gateway that gets SIGUSR2 prints its listeners, endpoints and connections, touches none, and sums up at the end',
  async () => {
    const scope = testScope()
    const server = await startServer(scope, (socket) => socket.pipe(socket))
    const dead = `${LOOPBACK}:${await freePort()}`
    const gateway = await startRelay(scope, server.port, [dead, '--balance', 'round_robin', '--workers', '0'])
    const client = await dial(scope, gateway.port)
    const received = readAll(client)
    // Taking turns (each thread does by itself: there is one), one of two comes to the dead one first.
    const other = await dial(scope, gateway.port)
    await eventually('it prints', () => {
      if (gateway.noise.some((line) => /ECONNREFUSED/.test(line))) return true
      if (!gateway.noise.some((line) => /^connections: /.test(line))) gateway.daemon.child.kill('SIGUSR2')
      else if (gateway.noise.at(-1)?.startsWith('connections: ')) gateway.daemon.child.kill('SIGUSR2')
      return false
    })
    await eventually('both are linked', () => {
      if (gateway.noise.includes('connections: 2 linked')) return true
      gateway.daemon.child.kill('SIGUSR2')
      return false
    })
    const text = gateway.noise.join('\n')
    expect(text).toMatch(/^LISTENER +ADDRESS +ACCEPTED +ACTIVE$/m)
    expect(text).toMatch(new RegExp(`^target +${LOOPBACK}:${server.port} +up `, 'm'))
    expect(text).toMatch(new RegExp(`^target +${dead} +ejected .* ECONNREFUSED, .* ago$`, 'm'))
    client.end('still here')
    expect(String(await received)).toBe('still here')
    other.end()
    gateway.daemon.child.kill('SIGTERM')
    const [closed] = await gateway.lines('that it has closed', ({ msg }) => msg === 'closed')
    expect(closed).toMatchObject({
      msg: 'closed',
      connections: 2,
      endpoints: [
        { upstream: 'target', endpoint: `${LOOPBACK}:${server.port}`, state: 'up', connected: 2, failed: 0 },
        { upstream: 'target', endpoint: dead, connected: 0, failed: expect.any(Number) },
      ],
    })
  },
)
