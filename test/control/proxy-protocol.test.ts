/** PROXY headers through a whole gateway, over real sockets. */

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { GatewayConfigInput } from '../../src/config/config.js'
import { createGateway } from '../../src/control/gateway.js'
import type { GatewayOptions } from '../../src/control/hooks.js'
import { type Address, formatAddress } from '../../src/core/address.js'
import { encodeProxyHeader } from '../../src/core/codec/proxy-protocol/encode.js'
import type { ConnectionRecord } from '../../src/core/session/record.js'
import { ascii, tlv, u16, v2, withChecksum } from '../core/codec/proxy-protocol/builders.js'
import { eventually, testScope, within } from '../support/scope.js'
import { SETTING } from '../support/setting.js'
import { dial, exchange, firstSocket, LOOPBACK, readAll, startServer } from '../support/sockets.js'

const SOURCE: Address = { kind: 'tcp', host: '192.0.2.7', port: 4711 }
const SOURCE_TEXT = '192.0.2.7:4711'
const DESTINATION: Address = { kind: 'tcp', host: '198.51.100.9', port: 443 }
const V1 = encodeProxyHeader('v1', SOURCE, DESTINATION)
const V2 = encodeProxyHeader('v2', SOURCE, DESTINATION)
const V2_WITH_CHECKSUM = withChecksum({ block: [...V2.subarray(16)], tlvs: tlv(0x05, [1, 2, 3]) })

type ListenerInput = Partial<GatewayConfigInput['listeners'][number]>

const REQUIRE: ListenerInput = { proxyProtocol: 'require', proxyFrom: ['127.0.0.0/8'] }
const ACCEPT: ListenerInput = { ...REQUIRE, proxyProtocol: 'accept' }

const withHeader = (header: Uint8Array, payload: string): Buffer =>
  Buffer.concat([header, Buffer.from(payload)])

const start = async (listener: ListenerInput, options: GatewayOptions = {}, onSocket = echo) => {
  const scope = testScope()
  const server = await startServer(scope, onSocket)
  const records: ConnectionRecord[] = []
  const upstream = `${LOOPBACK}:${server.port}`
  const config = (changes: ListenerInput): GatewayConfigInput => ({
    ...SETTING,
    listeners: [{ name: 'test', listen: `${LOOPBACK}:0`, upstream, ...changes }],
  })
  const gateway = await createGateway(config(listener), {
    ...options,
    observers: [...(options.observers ?? []), { onClose: (record) => void records.push(record) }],
  })
  scope.defer(() => gateway.destroy())
  const address = gateway.listeners[0]?.address
  if (address?.kind !== 'tcp') throw new Error('it listens on TCP')
  const { port } = address
  return {
    scope,
    server,
    gateway,
    records,
    config,
    port,
    client: () => dial(scope, port),
    /** The account of the nth connection that ended. */
    record: (n: number) => eventually(`${n + 1} connections have ended`, () => records[n]),
  }
}

const echo = (socket: Socket): void => void socket.pipe(socket)

/** How the gateway ended it. */
const endOf = async (socket: Socket): Promise<string> => {
  let end = 'FIN'
  socket.on('error', (error: NodeJS.ErrnoException) => {
    end = error.code ?? error.message
  })
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.resume()
  if (!socket.closed) await within(10_000, 'the socket is closed', closed)
  return end
}

describe('a listener that requires a PROXY header', () => {
  it.each([
    ['v1', V1],
    ['v2', V2],
    ['v2 with TLVs and a checksum', V2_WITH_CHECKSUM],
  ])('(%s) knows the client by it, and relays what follows', async (_, header) => {
    const { client, gateway, record } = await start(REQUIRE)
    const socket = await client()
    const reply = readAll(socket)
    socket.write(withHeader(header, 'first '))
    const live = await eventually('it is linked', () =>
      gateway.connections().find(({ state }) => state === 'linked'),
    )
    expect(formatAddress(live.client)).toBe(SOURCE_TEXT)
    socket.end('second')
    expect((await reply).toString()).toBe('first second')
    const account = await record(0)
    expect(account).toMatchObject({
      client: SOURCE,
      reason: 'client_fin',
      bytes: { upstream: 12, downstream: 12 },
    })
  })

  it('takes a header that comes in pieces, and what came with its last one', async () => {
    const { client, record } = await start(REQUIRE)
    const socket = await client()
    const reply = readAll(socket)
    const sent = withHeader(V1, 'payload')
    for (let at = 0; at < sent.length; at += 7) {
      socket.write(sent.subarray(at, at + 7))
      await new Promise((resolve) => setImmediate(resolve))
    }
    socket.end()
    expect((await reply).toString()).toBe('payload')
    expect((await record(0)).client).toEqual(SOURCE)
  })

  it('relays a request of which everything, the end included, came with the header', async () => {
    const { client } = await start(REQUIRE)
    expect((await exchange(await client(), withHeader(V2, 'all at once'))).toString()).toBe('all at once')
  })

  it('relays large transfers behind the header', async () => {
    const { client } = await start(REQUIRE)
    const payload = Buffer.alloc(4 * 1024 * 1024, 'abcdefg')
    const reply = await exchange(await client(), Buffer.concat([V2, payload]))
    expect(reply.equals(payload)).toBe(true)
  })

  it('applies its rules to the client that the header names', async () => {
    const { client, record } = await start({
      ...REQUIRE,
      deny: ['192.0.2.0/24'],
      allow: ['192.0.0.0/8'],
    })
    const denied = await client()
    denied.write(withHeader(V1, 'x'))
    expect(await endOf(denied)).toBe('ECONNRESET')
    expect(await record(0)).toMatchObject({ client: SOURCE, reason: 'denied' })
    const other = encodeProxyHeader('v1', { ...SOURCE, host: '192.168.0.1' }, DESTINATION)
    expect((await exchange(await client(), withHeader(other, 'x'))).toString()).toBe('x')
    expect(await record(1)).toMatchObject({ client: { host: '192.168.0.1' }, reason: 'client_fin' })
    const own = await client()
    own.write('PROXY UNKNOWN\r\n')
    expect(await endOf(own)).toBe('ECONNRESET')
    expect(await record(2)).toMatchObject({ reason: 'denied', client: { host: LOOPBACK } })
  })

  it('leaves a connection of the proxy’s own its address', async () => {
    const { client, record } = await start(REQUIRE)
    for (const [n, header] of [ascii('PROXY UNKNOWN\r\n'), v2({ command: 0x20, block: [] })].entries()) {
      const socket = await client()
      const { localPort } = socket
      expect((await exchange(socket, withHeader(header, 'check'))).toString()).toBe('check')
      expect((await record(n)).client).toEqual({ kind: 'tcp', host: LOOPBACK, port: localPort })
    }
  })

  it('names a client of a unix socket by its path', async () => {
    const { client, gateway, record } = await start(REQUIRE)
    const path = '/'.padEnd(108, 'p')
    const header = encodeProxyHeader('v2', { kind: 'unix', path }, { kind: 'unix', path: '/run/front' })
    const socket = await client()
    socket.write(header)
    const live = await eventually('it is linked', () =>
      gateway.connections().find(({ state }) => state === 'linked'),
    )
    expect(live.client).toEqual({ kind: 'unix', path })
    socket.end()
    expect((await record(0)).client).toEqual({ kind: 'unix', path })
  })

  it('denies a peer that is not one of its proxies, whatever it sends', async () => {
    const { scope, port, gateway, record } = await start({ ...REQUIRE, proxyFrom: ['127.6.6.6'] })
    // Not waited for: it may be reset before it has noticed that it is connected.
    const socket = connect({ port, host: LOOPBACK })
    scope.defer(() => socket.destroy())
    socket.write(withHeader(V1, 'x'))
    expect(await endOf(socket)).toMatch(/ECONNRESET|EPIPE/)
    expect(await record(0)).toMatchObject({ reason: 'denied', client: { host: LOOPBACK } })
    expect(gateway.counters().listeners.test?.closed).toEqual({ denied: 1 })
  })

  it('takes headers from another loopback address that it was told of', async () => {
    const { scope, port, record } = await start({ ...REQUIRE, proxyFrom: ['127.6.6.6'] })
    const socket = connect({ port, host: LOOPBACK, localAddress: '127.6.6.6', allowHalfOpen: true })
    scope.defer(() => socket.destroy())
    await once(socket, 'connect')
    expect((await exchange(socket, withHeader(V1, 'x'))).toString()).toBe('x')
    expect((await record(0)).client).toEqual(SOURCE)
  })

  it('resets whoever sends what is no header', async () => {
    const hostile: readonly (readonly [string, Uint8Array])[] = [
      ['another protocol', ascii('GET / HTTP/1.1\r\n\r\n')],
      ['a line without end', ascii('PROXY '.padEnd(200, 'A'))],
      ['a wrong port', ascii('PROXY TCP4 1.2.3.4 1.2.3.4 99999 1\r\n')],
      ['an unknown command', v2({ command: 0x2f })],
      ['datagrams', v2({ family: 0x12 })],
      ['a length below its addresses', v2({ length: 3 })],
      ['a length beyond all bounds', v2({ length: 0xffff })],
      ['a TLV longer than the header', v2({ tlvs: [2, ...u16(500), 1] })],
      ['a wrong checksum', v2({ tlvs: tlv(3, [1, 2, 3, 4]) })],
      ['the header’s end as its beginning', V2.subarray(3)],
    ]
    const { client, gateway, records, server } = await start(REQUIRE)
    for (const [what, bytes] of hostile) {
      const socket = await client()
      socket.write(Buffer.concat([bytes, Buffer.alloc(100_000)]))
      expect([what, await endOf(socket)]).toEqual([what, expect.stringMatching(/ECONNRESET|EPIPE/)])
    }
    await eventually('all have ended', () => records.length === hostile.length)
    expect(gateway.counters().listeners.test?.closed).toEqual({ proxy_protocol: hostile.length })
    for (const { reason, error, client: peer } of records) {
      expect(reason).toBe('proxy_protocol')
      expect(error?.message).toMatch(/^127\.0\.0\.1:\d+ (did not begin with|sent) a PROXY header/)
      expect(formatAddress(peer)).toMatch(/^127\.0\.0\.1:/)
    }
    expect(server.sockets.size).toBe(0)
  })

  it('resets whoever ends within the header, and counts whoever resets as gone', async () => {
    const { client, record } = await start(REQUIRE)
    const ended = await client()
    ended.end(V2.subarray(0, 20))
    expect(await endOf(ended)).toBe('ECONNRESET')
    expect((await record(0)).reason).toBe('proxy_protocol')
    const broken = await client()
    broken.write(V2.subarray(0, 20))
    broken.resetAndDestroy()
    expect((await record(1)).reason).toBe('client_reset')
  })

  it('resets whoever is not done with the header in time', async () => {
    const { client, record } = await start({ ...REQUIRE, proxyTimeout: 50 })
    const silent = await client()
    expect(await endOf(silent)).toBe('ECONNRESET')
    const account = await record(0)
    expect(account.reason).toBe('proxy_protocol')
    expect(account.error?.message).toMatch(/sent no whole PROXY header within 50 ms$/)
    expect(account.times.total).toBeGreaterThanOrEqual(49)
  })

  it('refuses beyond the maximum whom the header names', async () => {
    const { client, record, gateway } = await start({ ...REQUIRE, maxConnections: 1, overflow: 'refuse' })
    const first = await client()
    first.write(V1)
    await eventually('it is linked', () => gateway.connections().some(({ state }) => state === 'linked'))
    const second = await client()
    second.write(V2)
    expect(await endOf(second)).toBe('ECONNRESET')
    expect(await record(0)).toMatchObject({ reason: 'limit', client: SOURCE })
  })

  it('lets in one after the other, where more wait than there is room for', async () => {
    const { client } = await start({ ...REQUIRE, maxConnections: 1 })
    const replies = Array.from({ length: 8 }, async (_, n) =>
      exchange(await client(), withHeader(n % 2 === 0 ? V1 : V2, `client ${n}`)),
    )
    expect((await Promise.all(replies)).map(String)).toEqual(replies.map((_, n) => `client ${n}`))
  })

  it('tells hooks the client that the header names, wherever the connection is served', async () => {
    const asked: string[] = []
    const seen: string[] = []
    const { client, record } = await start(REQUIRE, {
      connectTarget: ({ client: who }) => void asked.push(formatAddress(who)),
      inspect: (chunk, { connection, direction }) => {
        seen.push(`${formatAddress(connection.client)} ${direction} ${Buffer.from(chunk)}`)
      },
      observers: [{ onOpen: ({ client: who }) => void seen.push(`${formatAddress(who)} open`) }],
    })
    expect((await exchange(await client(), withHeader(V1, 'hello'))).toString()).toBe('hello')
    expect(asked).toEqual([SOURCE_TEXT])
    expect(seen).toEqual([
      `${SOURCE_TEXT} open`,
      `${SOURCE_TEXT} upstream hello`,
      `${SOURCE_TEXT} downstream hello`,
    ])
    expect((await record(0)).client).toEqual(SOURCE)
  })

  it('takes along what came behind the header to where a stream of the caller’s own is', async () => {
    let port = 0
    const { client, server, record } = await start(REQUIRE, {
      connectTarget: () => connect({ port, host: LOOPBACK }),
    })
    port = server.port
    expect((await exchange(await client(), withHeader(V2, 'to a stream'))).toString()).toBe('to a stream')
    expect((await record(0)).client).toEqual(SOURCE)
  })

  it('resets at once, when it closes, who has not sent a header, and counts nobody', async () => {
    const { client, gateway, records } = await start({ ...REQUIRE, proxyTimeout: '1h' })
    const waiting = await Promise.all([client(), client(), client()])
    for (const socket of waiting) socket.write('PROXY ')
    const ends = Promise.all(waiting.map(endOf))
    await within(5000, 'the gateway closes', gateway.close({ drainTimeoutMs: 3_600_000 }))
    expect(await ends).toEqual(['ECONNRESET', 'ECONNRESET', 'ECONNRESET'])
    expect(records).toEqual([])
    expect(gateway.counters().listeners.test).toMatchObject({ accepted: 0, active: 0 })
  })

  it('comes and goes with a reload', async () => {
    const { client, gateway, config, record } = await start({ proxyProtocol: 'off' })
    const relayed = async (): Promise<string> =>
      (await exchange(await client(), withHeader(V1, 'x'))).toString()
    expect(await relayed()).toBe(`${Buffer.from(V1)}x`)
    expect((await record(0)).client).toMatchObject({ host: LOOPBACK })
    await gateway.reload(config(REQUIRE))
    expect(await relayed()).toBe('x')
    expect((await record(1)).client).toEqual(SOURCE)
    await gateway.reload(config({}))
    expect(await relayed()).toBe(`${Buffer.from(V1)}x`)
    expect((await record(2)).client).toMatchObject({ host: LOOPBACK })
  })
})

describe('a listener that accepts a PROXY header', () => {
  it('knows the client by one that is there, and takes whoever sends something else as it is', async () => {
    const { client, record } = await start(ACCEPT)
    expect((await exchange(await client(), withHeader(V2, 'x'))).toString()).toBe('x')
    expect((await record(0)).client).toEqual(SOURCE)
    for (const [n, sent] of [
      'GET / HTTP/1.1\r\n\r\n',
      'PROXYless',
      '\r\n\r\nQUIT',
      'P'.repeat(100_000),
    ].entries()) {
      expect((await exchange(await client(), Buffer.from(sent))).toString()).toBe(sent)
      expect((await record(n + 1)).client).toMatchObject({ host: LOOPBACK })
    }
  })

  it('serves a client that waits for the server to speak, once the time for a header is over', async () => {
    const { client } = await start({ ...ACCEPT, proxyTimeout: 50 }, {}, (socket) => {
      socket.write('220 ready\r\n')
      echo(socket)
    })
    const socket = await client()
    const reply = readAll(socket)
    await once(socket, 'data')
    socket.end('HELO\r\n')
    expect((await reply).toString()).toBe('220 ready\r\nHELO\r\n')
  })

  it('serves a client that only listens', async () => {
    const { client, server } = await start(
      { ...ACCEPT, proxyTimeout: '1h' },
      {},
      (socket) => void socket.resume(),
    )
    const socket = await client()
    const reply = readAll(socket)
    socket.end()
    const upstream = await firstSocket(server)
    upstream.end('news')
    expect((await reply).toString()).toBe('news')
  })

  it('does not guess what the beginning of a header was to be', async () => {
    const { client, record } = await start({ ...ACCEPT, proxyTimeout: 50 })
    const ended = await client()
    ended.end('PROXY TCP4')
    expect(await endOf(ended)).toBe('ECONNRESET')
    const slow = await client()
    slow.write('PROX')
    expect(await endOf(slow)).toBe('ECONNRESET')
    const wrong = await client()
    wrong.write('PROXY TCP4 1.2.3.4\r\n')
    expect(await endOf(wrong)).toBe('ECONNRESET')
    for (const n of [0, 1, 2]) expect((await record(n)).reason).toBe('proxy_protocol')
  })

  it('relays the header of a peer that is none of its proxies, like any other bytes', async () => {
    const { client, record } = await start({ ...ACCEPT, proxyFrom: ['10.0.0.0/8'] })
    expect((await exchange(await client(), withHeader(V1, 'x'))).toString()).toBe(`${Buffer.from(V1)}x`)
    expect((await record(0)).client).toMatchObject({ host: LOOPBACK })
  })
})
