/** A gateway whose connections two worker threads serve: what has to hold for all of them together. */

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { describe, expect, it } from 'vitest'
import type { GatewayConfigInput } from '../../../src/config/config.js'
import { createGateway, type Gateway } from '../../../src/control/gateway.js'
import type { GatewayOptions } from '../../../src/control/hooks.js'
import type { ConnectionRecord } from '../../../src/core/session/record.js'
import { eventually, type Scope, testScope, within } from '../../support/scope.js'
import { dial, exchange, LOOPBACK, readAll, startServer, type TestServer } from '../../support/sockets.js'

const WORKERS = 2

const echoServer = (scope: Scope): Promise<TestServer> => startServer(scope, (socket) => socket.pipe(socket))

interface Listener {
  readonly maxConnections?: number
  readonly overflow?: 'wait' | 'refuse'
  readonly deny?: string[]
}

const configOf = (upstreamPort: number | null, more: Listener = {}): GatewayConfigInput => ({
  engine: 'linux',
  workers: WORKERS,
  listeners: [
    {
      name: 'test',
      listen: `${LOOPBACK}:0`,
      ...(upstreamPort === null ? {} : { upstream: `${LOOPBACK}:${upstreamPort}` }),
      ...more,
    },
  ],
})

const start = async (scope: Scope, config: GatewayConfigInput, options: GatewayOptions = {}) => {
  const closed: ConnectionRecord[] = []
  const onClose = (record: ConnectionRecord): void => void closed.push(record)
  const gateway = await createGateway(config, {
    ...options,
    observers: [...(options.observers ?? []), { onClose }],
  })
  scope.defer(() => gateway.destroy())
  const address = gateway.listeners[0]?.address
  if (address?.kind !== 'tcp') throw new Error('a TCP listener')
  return { gateway, closed, port: address.port }
}

const figures = (gateway: Gateway) => {
  const counters = gateway.counters().listeners.test
  if (counters === undefined) throw new Error('the listener has counters')
  return counters
}

/** Open connections that have said something and heard it back. */
const talking = async (scope: Scope, port: number, count: number): Promise<readonly Socket[]> => {
  const sockets = await Promise.all(Array.from({ length: count }, () => dial(scope, port)))
  const answers = sockets.map((socket) => once(socket, 'data'))
  for (const socket of sockets) socket.write('x')
  await Promise.all(answers)
  return sockets
}

describe('a maximum of connections', () => {
  it('is exact for all workers together when those beyond it are refused', async () => {
    const scope = testScope()
    const echo = await echoServer(scope)
    const limits = { maxConnections: 7, overflow: 'refuse' } as const
    const { gateway, closed, port } = await start(scope, configOf(echo.port, limits))
    for (let round = 1; round <= 5; round++) {
      const sockets = await Promise.all(Array.from({ length: 40 }, () => dial(scope, port).catch(() => null)))
      await eventually('33 to be refused', () => closed.length === round * 33 + (round - 1) * 7)
      expect(figures(gateway).active).toBe(7)
      await eventually('all to be linked', () =>
        gateway.connections().every(({ state }) => state === 'linked'),
      )
      expect(gateway.connections()).toHaveLength(7)
      for (const socket of sockets) socket?.destroy()
      await eventually('all to be gone', () => figures(gateway).active === 0 && closed.length === round * 40)
    }
    expect(figures(gateway).closed.limit).toBe(5 * 33)
  })

  it('is never passed when those beyond it wait, and each of them is served in the end', async () => {
    const scope = testScope()
    let [open, most] = [0, 0]
    const slow = await startServer(scope, (socket) => {
      most = Math.max(most, ++open)
      socket.once('close', () => open--)
      socket.pipe(socket)
    })
    const limits = { maxConnections: 3, overflow: 'wait' } as const
    const { gateway, closed, port } = await start(scope, configOf(slow.port, limits))
    const clients = Array.from({ length: 120 }, async (_, index) => {
      const answer = await exchange(await dial(scope, port), Buffer.from(`client ${index}`))
      expect(String(answer)).toBe(`client ${index}`)
      expect(figures(gateway).active).toBeLessThanOrEqual(3)
    })
    await Promise.all(clients)
    await eventually('all to be accounted for', () => closed.length === 120)
    expect(new Set(closed.map(({ reason }) => reason))).toEqual(new Set(['client_fin']))
    // The upstream learns of the end of one after the next one may have come.
    expect(most).toBeLessThanOrEqual(2 * 3)
    expect(figures(gateway)).toMatchObject({ accepted: 120, active: 0, closed: { client_fin: 120 } })
  })

  it('that a reload raises lets those in who wait', async () => {
    const scope = testScope()
    const echo = await echoServer(scope)
    const limited = (maxConnections: number) => configOf(echo.port, { maxConnections, overflow: 'wait' })
    const { gateway, port } = await start(scope, limited(1))
    await talking(scope, port, 1)
    const waiting = talking(scope, port, 5)
    await gateway.reload({ ...limited(0), listeners: limited(0).listeners })
    expect(await waiting).toHaveLength(5)
    expect(figures(gateway).active).toBe(6)
  })
})

describe('the live list', () => {
  it('has the connections of all workers, oldest first, and each can be killed', async () => {
    const scope = testScope()
    const echo = await echoServer(scope)
    const { gateway, closed, port } = await start(scope, configOf(echo.port))
    const sockets = await talking(scope, port, 300)
    const list = gateway.connections()
    expect(list.map(({ id }) => id)).toEqual(sockets.map((_, index) => index + 1))
    await eventually('their bytes', () => gateway.connections().every(({ bytes }) => bytes.downstream === 1))
    const ports = new Set(sockets.map(({ localPort }) => localPort))
    for (const { client } of list) expect(client.kind === 'tcp' && ports.has(client.port)).toBe(true)
    for (const { id } of list) expect(gateway.kill(id)).toBe(true)
    await eventually('all to be gone', () => closed.length === 300)
    expect(gateway.connections()).toEqual([])
    expect(figures(gateway)).toMatchObject({ accepted: 300, active: 0, closed: { killed: 300 } })
    expect(gateway.kill(1)).toBe(false)
  })
})

describe('a slow connectTarget', () => {
  it('holds up nobody else, and learns that its client has left', async () => {
    const scope = testScope()
    const echo = await echoServer(scope)
    const late: ((target: string | Duplex) => void)[] = []
    const { gateway, closed, port } = await start(scope, configOf(null), {
      connectTarget: ({ id }) =>
        id === 1 ? new Promise((resolve) => late.push(resolve)) : `${LOOPBACK}:${echo.port}`,
    })
    const first = await dial(scope, port)
    await eventually('the hook to be asked', () => late.length === 1)
    await talking(scope, port, 10)
    first.resetAndDestroy()
    await eventually('its end', () => closed.length === 1)
    expect(closed[0]).toMatchObject({ id: 1, reason: 'client_reset', attempts: 0 })
    // What the hook opens for nobody is closed again.
    const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
    const isClosed = once(stream, 'close')
    late[0]?.(stream)
    await isClosed
    expect(figures(gateway).active).toBe(10)
  })

  it('may bring a stream: the connection goes on here, and is one connection to whoever counts', async () => {
    const scope = testScope()
    const streams: Duplex[] = []
    const { gateway, closed, port } = await start(scope, configOf(null), {
      connectTarget: async () => {
        const stream = new Duplex({
          read() {},
          write: (chunk, _encoding, done) => {
            stream.push(String(chunk).toUpperCase())
            done()
          },
          final: (done) => {
            stream.push(null)
            done()
          },
        })
        streams.push(stream)
        return stream
      },
    })
    const [one, other] = await talking(scope, port, 2)
    if (one === undefined || other === undefined) throw new Error('two clients')
    const list = gateway.connections()
    expect(list).toMatchObject([
      { id: 1, state: 'linked', bytes: { upstream: 1, downstream: 1 } },
      { id: 2, state: 'linked' },
    ])
    const answer = readAll(one)
    one.end('hello')
    expect(String(await answer)).toBe('HELLO')
    expect(gateway.kill(other.localPort === portOf(list[0]) ? 1 : 2)).toBe(true)
    await eventually('both to be gone', () => closed.length === 2)
    expect(figures(gateway)).toMatchObject({
      accepted: 2,
      active: 0,
      closed: { client_fin: 1, killed: 1 },
    })
    expect(streams.map(({ destroyed }) => destroyed)).toEqual([true, true])
  })
})

/** A stream that fails in the next turn: before a client that a worker has can be here. */
const failingSoon = (): Duplex => {
  const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
  setImmediate(() => stream.destroy(new Error('failed early')))
  return stream
}

describe("a hook's stream whose client is still on its way", () => {
  it('may fail: that ends the connection, not the process', async () => {
    const scope = testScope()
    const { gateway, closed, port } = await start(scope, configOf(null), { connectTarget: failingSoon })
    for (let i = 0; i < 20; i++) await dial(scope, port)
    await eventually('all to be gone', () => closed.length === 20)
    expect(new Set(closed.map(({ reason, error }) => `${reason}: ${error?.message}`))).toEqual(
      new Set(['error: failed early']),
    )
    expect(figures(gateway)).toMatchObject({ accepted: 20, active: 0 })
  })

  it('may have been ended by its other side, which hears the client all the same', async () => {
    const scope = testScope()
    const heard: Promise<Buffer>[] = []
    const upstream = await startServer(scope, (socket) => {
      socket.end()
      heard.push(readAll(socket))
    })
    const { port } = await start(scope, configOf(null), {
      connectTarget: async () => {
        const socket = connect({ port: upstream.port, host: LOOPBACK })
        await once(socket, 'connect')
        return socket
      },
    })
    for (let round = 0; round < 20; round++) {
      const client = await dial(scope, port)
      client.end('hello')
      await eventually('the upstream to be asked for', () => heard.length > round)
      expect(String(await heard[round])).toBe('hello')
    }
  })
})

const portOf = (connection: { client: ConnectionRecord['client'] } | undefined): number =>
  connection?.client.kind === 'tcp' ? connection.client.port : 0

describe('hooks that see the bytes', () => {
  it('see those of every connection, whichever worker accepted it, and each is counted once', async () => {
    const scope = testScope()
    const echo = await echoServer(scope)
    const opened: number[] = []
    const limits = { maxConnections: 50, overflow: 'wait' } as const
    const { gateway, closed, port } = await start(scope, configOf(echo.port, limits), {
      inspect: (chunk, { direction }) =>
        direction === 'upstream' ? Buffer.from(String(Buffer.from(chunk)).toUpperCase()) : 'pass',
      observers: [{ onOpen: ({ id }) => void opened.push(id) }],
    })
    const clients = Array.from({ length: 100 }, async (_, index) =>
      expect(String(await exchange(await dial(scope, port), Buffer.from(`client ${index}`)))).toBe(
        `CLIENT ${index}`,
      ),
    )
    await Promise.all(clients)
    await eventually('all to be accounted for', () => closed.length === 100)
    const all = Array.from({ length: 100 }, (_, index) => index + 1)
    expect(opened.toSorted((one, other) => one - other)).toEqual(all)
    expect(closed.map(({ id }) => id).sort((one, other) => one - other)).toEqual(all)
    expect(figures(gateway)).toMatchObject({ accepted: 100, active: 0, closed: { client_fin: 100 } })
  })
})

describe('closing', () => {
  it('waits for the connections of all workers, and those that are left are cut', async () => {
    const scope = testScope()
    const echo = await echoServer(scope)
    const { gateway, closed, port } = await start(scope, configOf(echo.port))
    const sockets = await talking(scope, port, 20)
    const ending = gateway.close({ drainTimeoutMs: 300 })
    for (const socket of sockets.slice(0, 12)) socket.end()
    await ending
    // Everything has been told by then.
    expect(closed.filter(({ reason }) => reason === 'client_fin')).toHaveLength(12)
    expect(closed.filter(({ reason }) => reason === 'drained')).toHaveLength(8)
    expect(figures(gateway)).toMatchObject({ accepted: 20, active: 0 })
  })

  it('right after it was opened, with clients on their way, leaves nothing open', async () => {
    const scope = testScope()
    const echo = await echoServer(scope)
    const { gateway, port } = await start(scope, configOf(echo.port), { inspect: () => 'pass' })
    const attempts = Array.from({ length: 50 }, () => dial(scope, port).catch(() => null))
    await Promise.all([gateway.destroy(), ...attempts])
    expect(figures(gateway).active).toBe(0)
    expect(gateway.connections()).toEqual([])
    await eventually('the upstream to be left', () => echo.sockets.size === 0)
  })
})

describe('a program given on the command line', () => {
  it('may have workers, though they cannot have its arguments', async () => {
    const scope = testScope()
    const library = new URL('../../../dist/index.js', import.meta.url)
    const program = `
      const { createGateway } = await import(${JSON.stringify(library.href)})
      const listeners = [{ listen: '127.0.0.1:0', upstream: '127.0.0.1:1' }]
      const gateway = await createGateway({ engine: 'linux', workers: 1, listeners })
      await gateway.close()`
    const child = execFile(process.execPath, ['--input-type=module', '--eval', program])
    scope.defer(() => void child.kill('SIGKILL'))
    const [code] = await within(20_000, 'its end', once(child, 'exit'))
    expect(code).toBe(0)
  })
})
