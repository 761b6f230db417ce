/** Whose connection it is, told by real proxies and clients in front of the gateway. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { runWell } from '../support/processes.js'
import { listConnections, rawStream } from '../support/recording.js'
import { testScope, within } from '../support/scope.js'
import { startHaproxy } from '../support/servers/haproxy.js'
import { dial, exchange, LOOPBACK, portOf, startServer } from '../support/sockets.js'
import { startRecorder, startRelay } from '../support/tidegate.js'
import { describeWith, toolPath } from '../support/tools.js'

/** Linux has all of 127.0.0.0/8: addresses that neither the proxy nor the gateway connects from. */
const CLIENTS = ['127.0.0.21', '127.0.0.22']

const FROM_HERE = ['--proxy-from', '127.0.0.1']

const echo = (socket: Socket): void => void socket.pipe(socket)

describeWith(['haproxy'], 'HAProxy in front of a recording gateway', () => {
  it.each(['send-proxy', 'send-proxy-v2', 'send-proxy-v2 proxy-v2-options crc32c'])(
    'with %s: log and recording name the real clients',
    async (options) => {
      const scope = testScope()
      const server = await startServer(scope, echo)
      const gateway = await startRecorder(scope, server.port, {
        args: ['--proxy-protocol', 'require', ...FROM_HERE],
      })
      const haproxy = await startHaproxy(scope, gateway.port, options)
      const clients: string[] = []
      for (const localAddress of CLIENTS) {
        const socket = connect({ port: haproxy.port, host: LOOPBACK, localAddress, allowHalfOpen: true })
        scope.defer(() => socket.destroy())
        await within(5000, 'HAProxy to accept', once(socket, 'connect'))
        clients.push(`${localAddress}:${socket.localPort}`)
        expect((await exchange(socket, Buffer.from(`from ${localAddress}`))).toString()).toBe(
          `from ${localAddress}`,
        )
      }
      await gateway.lines(
        'the clients’ connections',
        ({ msg, client }) => msg === 'connection closed' && clients.includes(String(client)),
        clients.length,
      )
      expect(await gateway.finish()).toBe(0)

      const listed = await listConnections(gateway.file)
      for (const client of clients) {
        const [own, ...more] = listed.filter((each) => each.client === client)
        expect(more).toEqual([])
        const stream = await rawStream(gateway.file, own?.connection ?? -1, 'upstream')
        expect(stream.toString()).toBe(`from ${client.split(':')[0]}`)
      }
    },
    60_000,
  )

  it('takes health checks for what they are: connections of HAProxy itself', async () => {
    const scope = testScope()
    const server = await startServer(scope, echo)
    const gateway = await startRelay(scope, server.port, ['--proxy-protocol', 'require', ...FROM_HERE])
    await startHaproxy(scope, gateway.port, 'send-proxy-v2 check inter 100ms')
    const isOwn = ({ msg, client }: { msg: string; client?: unknown }): boolean =>
      msg === 'connection closed' && /^127\.0\.0\.1:/.test(String(client))
    const checks = await gateway.lines('a health check', isOwn, 3)
    for (const { reason } of checks) expect(reason).not.toBe('proxy_protocol')
    expect(await gateway.finish()).toBe(0)
  })
})

describeWith(['curl'], 'curl --haproxy-protocol', () => {
  it.each(['require', 'accept'])('speaks HTTP through a gateway with --proxy-protocol %s', async (mode) => {
    const scope = testScope()
    const server = createServer((_, response) => response.end('hello')).listen(0, LOOPBACK)
    scope.defer(() => server.close())
    await once(server, 'listening')
    const gateway = await startRelay(scope, portOf(server), ['--proxy-protocol', mode, ...FROM_HERE])
    const url = `http://${LOOPBACK}:${gateway.port}/`
    const { stdout } = await runWell(toolPath('curl'), ['-sS', '--haproxy-protocol', url])
    expect(stdout.toString()).toBe('hello')
    const [line] = await gateway.closed(1)
    expect(line?.client).toMatch(/^127\.0\.0\.1:\d+$/)
    expect(line?.reason).toMatch(/_fin$/)
  })
})

describe('a gateway that requires PROXY headers', () => {
  it('says in one line why it did not serve a client, and goes on', async () => {
    const scope = testScope()
    const server = await startServer(scope, echo)
    const gateway = await startRelay(scope, server.port, ['--proxy-protocol', 'require', ...FROM_HERE])
    const hostile = await dial(scope, gateway.port)
    const closed = new Promise((resolve) => hostile.once('close', resolve))
    hostile.resume().write('PROXY TCP4 127.0.0.1 127.0.0.1 070 1\r\n')
    await within(10_000, 'the connection to be reset', closed)
    const [line] = await gateway.closed(1)
    expect(line).toMatchObject({
      reason: 'proxy_protocol',
      upstream: null,
      error: `127.0.0.1:${portOfClient(line?.client)} sent a PROXY header that is not valid: it has a port that is not 0-65535`,
    })
    const good = await dial(scope, gateway.port)
    const sent = Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.9 4711 443\r\nhello')
    expect((await exchange(good, sent)).toString()).toBe('hello')
    expect((await gateway.closed(2))[1]?.client).toBe('192.0.2.7:4711')
    expect(gateway.noise).toEqual([])
    expect(await gateway.finish()).toBe(0)
  })
})

const portOfClient = (client = ''): string => client.split(':')[1] ?? ''
