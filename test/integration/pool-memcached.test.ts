/** A memcached behind a pool that is reused: the recipe of docs/upstreams.md. */

import { expect, it } from 'vitest'
import { createGateway } from '../../src/control/gateway.js'
import { eventually, type Scope, testScope } from '../support/scope.js'
import { startMemcached } from '../support/servers/memcached.js'
import { SETTING } from '../support/setting.js'
import { dial, LOOPBACK } from '../support/sockets.js'
import { describeWith } from '../support/tools.js'

const start = async (scope: Scope) => {
  const memcached = await startMemcached(scope)
  const gateway = await createGateway({
    ...SETTING,
    listeners: [{ listen: `${LOOPBACK}:0`, upstream: 'cache' }],
    upstreams: {
      cache: {
        endpoints: [`${LOOPBACK}:${memcached}`],
        maxConnections: 4,
        pool: { mode: 'reuse', quiet: '5ms', reset: { send: 'mn\r\n', expect: 'MN\r\n' } },
      },
    },
  })
  scope.defer(() => gateway.destroy())
  const address = gateway.listeners[0]?.address
  if (address?.kind !== 'tcp') throw new Error('it listens on TCP')
  const { port } = address
  const endpoint = () => gateway.counters().upstreams.cache!.endpoints[0]!
  /** Asks, waits for an answer that ends so, and leaves. */
  const ask = async (text: string, ends: string): Promise<string> => {
    const socket = await dial(scope, port)
    let received = ''
    socket.on('data', (bytes) => {
      received += String(bytes)
    })
    socket.write(text)
    await eventually(`${ends} from memcached`, () => received.endsWith(ends))
    socket.end()
    await eventually('it is given back, or closed', () => endpoint().active + endpoint().resetting === 0)
    return received
  }
  return { ask, endpoint }
}

describeWith(['memcached'], 'memcached behind a pool that is reused', () => {
  it('serves one client after the other on connections that its no-op has proven clean', async () => {
    const { ask, endpoint } = await start(testScope())
    await ask('set tide 0 0 4\r\nhigh\r\n', 'STORED\r\n')
    for (let n = 0; n < 20; n++)
      expect(await ask('get tide\r\n', 'END\r\n')).toBe('VALUE tide 0 4\r\nhigh\r\nEND\r\n')
    expect(endpoint().counts.reused).toBeGreaterThan(0)
    expect(endpoint().counts.unclean).toBe(0)
  })
})
