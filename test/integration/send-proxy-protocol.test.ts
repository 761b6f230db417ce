/** Whose connection it is, as real servers behind the gateway read it from our headers. */

import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { GatewayConfigInput } from '../../src/config/config.js'
import { createGateway, type Gateway } from '../../src/control/gateway.js'
import type { GatewayOptions } from '../../src/control/hooks.js'
import { eventually, type Scope, testScope, within } from '../support/scope.js'
import { startAddressTeller } from '../support/servers/proxied.js'
import { SETTING } from '../support/setting.js'
import { LOOPBACK, startServer } from '../support/sockets.js'
import { describeWith } from '../support/tools.js'

/** Addresses that the gateway does not connect from. */
const CLIENTS = ['127.0.0.31', '127.0.0.32']

const start = async (
  scope: Scope,
  config: GatewayConfigInput,
  options: GatewayOptions = {},
): Promise<{ gateway: Gateway; port: number }> => {
  const gateway = await createGateway({ ...SETTING, ...config }, options)
  scope.defer(() => gateway.destroy())
  const address = gateway.listeners[0]?.address
  if (address?.kind !== 'tcp') throw new Error('it listens on TCP')
  return { gateway, port: address.port }
}

/** Asks by HTTP, and resolves with the client's own address and the answer. */
const ask = async (port: number, localAddress: string): Promise<{ own: string; answer: string }> => {
  const asked = request({ host: LOOPBACK, port, localAddress, agent: false }).end()
  const [response] = await within(10_000, 'an answer', once(asked, 'response'))
  const own = `${localAddress}:${asked.socket?.localPort}`
  let answer = ''
  for await (const bytes of response) answer += String(bytes)
  return { own, answer }
}

const toUpstream = (port: number, version: 'v1' | 'v2', more: object = {}): GatewayConfigInput => ({
  listeners: [{ listen: `${LOOPBACK}:0`, upstream: 'it' }],
  upstreams: { it: { endpoints: [`${LOOPBACK}:${port}`], sendProxyProtocol: version, ...more } },
})

describe.each(['nginx', 'haproxy'] as const)('%s behind a gateway', (program) => {
  describeWith([program], 'with sendProxyProtocol', () => {
    it.each(['v1', 'v2'] as const)('(%s) knows the real client', async (version) => {
      const scope = testScope()
      const { port } = await start(scope, toUpstream(await startAddressTeller(scope, program), version))
      for (const client of CLIENTS) {
        const { own, answer } = await ask(port, client)
        expect(answer).toBe(own)
      }
    })

    it.each(['v1', 'v2'] as const)('(%s) answers checks as it answers clients', async (version) => {
      const scope = testScope()
      const told: string[] = []
      const tell = (_: object, message = ''): void => void told.push(message)
      const logger = { debug: tell, info: tell, warn: tell, error: tell }
      // What it said is told only where that was not expected.
      const check = {
        interval: '10s',
        timeout: '10s',
        fall: 1,
        send: 'GET / HTTP/1.0\r\n\r\n',
        expect: 'anything',
      }
      const port = await startAddressTeller(scope, program)
      await start(scope, toUpstream(port, version, { check }), { logger })
      await eventually('what it said', () => told.some((line) => /answered "HTTP\/1\..+" where/.test(line)))
    })
  })
})

describe('a gateway behind another', () => {
  it.each(['v1', 'v2'] as const)('knows the client that the one in front names (%s)', async (version) => {
    const scope = testScope()
    const server = await startServer(scope, (socket) => socket.pipe(socket))
    const behind = await start(scope, {
      listeners: [
        {
          listen: `${LOOPBACK}:0`,
          upstream: `${LOOPBACK}:${server.port}`,
          proxyProtocol: 'require',
          proxyFrom: ['127.0.0.1'],
        },
      ],
    })
    const front = await start(scope, toUpstream(behind.port, version))
    const sockets = await Promise.all(
      CLIENTS.map(async (localAddress) => {
        const socket = connect({ port: front.port, host: LOOPBACK, localAddress })
        scope.defer(() => socket.destroy())
        socket.write('hello')
        const [echoed] = await within(10_000, 'the echo', once(socket, 'data'))
        expect(String(echoed)).toBe('hello')
        return `${localAddress}:${socket.localPort}`
      }),
    )
    await eventually('both are known', () => {
      const known = behind.gateway
        .connections()
        .map(({ client }) => (client.kind === 'tcp' ? `${client.host}:${client.port}` : ''))
      return sockets.every((socket) => known.includes(socket))
    })
  })
})
