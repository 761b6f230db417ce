import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import type { GatewayConfigInput } from '../../src/config/config.js'
import { createGateway, type Gateway } from '../../src/control/gateway.js'
import type { GatewayOptions } from '../../src/control/hooks.js'
import { type Address, formatAddress } from '../../src/core/address.js'
import { createPcapngReader } from '../../src/core/codec/pcapng/reader.js'
import type { ConnectionRecord } from '../../src/core/session/record.js'
import { eventually, testScope } from '../support/scope.js'
import { SETTING } from '../support/setting.js'
import { freePort, LOOPBACK, startServer } from '../support/sockets.js'

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const portOf = (address: Address | undefined): number => {
  if (address?.kind !== 'tcp') throw new Error('expected a TCP address')
  return address.port
}

/** A service on loopback. Returns its address as text. */
const serve = async (onClient: (socket: Socket) => void): Promise<string> =>
  `${LOOPBACK}:${(await startServer(testScope(), onClient)).port}`

const echo = (): Promise<string> => serve((socket) => socket.pipe(socket))

/** An address on which nobody listens. */
const closedPort = async (): Promise<string> => `${LOOPBACK}:${await freePort()}`

/** Accounts of ended connections, in order; `next` waits for one. */
const accounts = () => {
  const records: ConnectionRecord[] = []
  const waiting: ((record: ConnectionRecord) => void)[] = []
  return {
    observer: {
      onClose: (record: ConnectionRecord) => {
        const waiter = waiting.shift()
        if (waiter === undefined) records.push(record)
        else waiter(record)
      },
    },
    next: (): Promise<ConnectionRecord> => {
      const record = records.shift()
      return record === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(record)
    },
  }
}

const start = async (config: GatewayConfigInput, options: GatewayOptions = {}) => {
  const closed = accounts()
  const gateway = await createGateway(
    { ...SETTING, ...config },
    {
      ...options,
      observers: [...(options.observers ?? []), closed.observer],
    },
  )
  cleanups.push(() => gateway.destroy())
  return { gateway, nextClosed: closed.next, port: portOf(gateway.listeners[0]?.address) }
}

const listenerTo = (upstream: string, more: object = {}): GatewayConfigInput => ({
  listeners: [{ name: 'test', listen: '127.0.0.1:0', upstream, ...more }],
})

/** Not waited for: a gateway may reset it before it has noticed that it is connected. */
const attempt = (port: number): Socket => {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  cleanups.push(() => socket.destroy())
  return socket
}

/** Resolves once nobody accepts any more: workers stop a moment after they were told to. */
const refused = async (port: number): Promise<void> => {
  const deadline = performance.now() + 5000
  for (;;) {
    const socket = attempt(port)
    const isAccepted = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    socket.destroy()
    if (!isAccepted) return
    if (performance.now() > deadline) throw new Error('it still accepts after 5 s')
  }
}

const client = async (port: number): Promise<Socket> => {
  const socket = attempt(port)
  await once(socket, 'connect')
  return socket
}

/** Everything the socket receives until its end, or the error that cut it. */
const received = async (socket: Socket): Promise<string> => {
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text
}

const exchange = async (port: number, text: string): Promise<string> => {
  const socket = await client(port)
  socket.end(text)
  return received(socket)
}

const errorCode = async (socket: Socket): Promise<string | undefined> => {
  const [error] = await once(socket, 'error')
  return error.code
}

describe('a gateway', () => {
  it('relays both ways and accounts for each connection', async () => {
    const upstream = await echo()
    const { gateway, nextClosed, port } = await start(listenerTo(upstream))
    expect(await exchange(port, 'hello')).toBe('hello')
    const record = await nextClosed()
    expect(record).toMatchObject({
      id: 1,
      listener: 'test',
      reason: 'client_fin',
      error: null,
      attempts: 1,
      bytes: { upstream: 5, downstream: 5 },
    })
    expect(record.times.total).toBeGreaterThanOrEqual(record.times.dialled ?? Number.NaN)
    expect(gateway.counters().listeners.test).toEqual({
      accepted: 1,
      active: 0,
      closed: { client_fin: 1 },
      bytes: { upstream: 5, downstream: 5 },
    })
  })

  it('tries the next endpoint when one cannot be reached', async () => {
    const config = listenerTo('pair')
    const { nextClosed, port } = await start({
      ...config,
      upstreams: { pair: { endpoints: [await closedPort(), await echo()] } },
    })
    expect(await exchange(port, 'hello')).toBe('hello')
    expect(await nextClosed()).toMatchObject({ reason: 'client_fin', attempts: 2, error: null })
  })

  it('resets the client when no endpoint can be reached, says why, and serves the next', async () => {
    const { nextClosed, port } = await start(listenerTo(await closedPort()))
    await client(port).catch(() => null)
    const record = await nextClosed()
    expect(record.reason).toBe('dial_failed')
    expect(record.error?.message).toContain('connection refused')
    await client(port).catch(() => null)
    expect((await nextClosed()).id).toBe(2)
  })

  it('lists live connections with state, age and bytes, and kills one by its id', async () => {
    const { gateway, nextClosed, port } = await start(listenerTo(await echo()))
    const [first, second] = [await client(port), await client(port)]
    first.write('12345')
    await once(first, 'data')
    // The figures of a worker's connections are up to 100 ms old.
    await eventually('what both have done', () => {
      const [one, two] = gateway.connections()
      return one?.bytes.downstream === 5 && two?.state === 'linked'
    })
    const [live] = gateway.connections()
    expect(live).toMatchObject({ id: 1, state: 'linked', bytes: { upstream: 5, downstream: 5 } })
    expect(live?.ageMs).toBeGreaterThan(0)
    const broken = errorCode(first)
    expect(gateway.kill(1)).toBe(true)
    expect(await broken).toBe('ECONNRESET')
    expect(await nextClosed()).toMatchObject({ id: 1, reason: 'killed' })
    expect(gateway.kill(1)).toBe(false)
    second.write('still here')
    expect(String((await once(second, 'data'))[0])).toBe('still here')
  })

  it('refuses whom its rules do not allow', async () => {
    const { nextClosed, port } = await start(listenerTo(await echo(), { deny: ['127.0.0.0/8'] }))
    await client(port).catch(() => null)
    expect(await nextClosed()).toMatchObject({ reason: 'denied', upstream: null, attempts: 0 })
  })

  it('resets the client beyond the maximum when it is to refuse', async () => {
    const config = listenerTo(await echo(), { maxConnections: 1, overflow: 'refuse' })
    const { gateway, nextClosed, port } = await start(config)
    await client(port)
    await eventually('the first link', () => gateway.connections()[0]?.state === 'linked')
    await client(port).catch(() => null)
    expect(await nextClosed()).toMatchObject({ id: 2, reason: 'limit' })
  })

  it('lets the client beyond the maximum wait, and serves it when there is room', async () => {
    const { gateway, port } = await start(listenerTo(await echo(), { maxConnections: 1, overflow: 'wait' }))
    const first = await client(port)
    first.write('1')
    await once(first, 'data')
    const second = await client(port)
    second.write('2')
    const answer = once(second, 'data')
    expect(gateway.connections()).toHaveLength(1)
    first.end()
    first.resume()
    expect(String((await answer)[0])).toBe('2')
  })

  it('cancels the dial of a client that resets meanwhile', async () => {
    const never = new Promise<never>(() => {})
    const { gateway, nextClosed, port } = await start(
      { listeners: [{ name: 'test', listen: '127.0.0.1:0' }] },
      { connectTarget: () => never },
    )
    const socket = await client(port)
    await eventually('a connection', () => gateway.connections().length === 1)
    socket.resetAndDestroy()
    expect(await nextClosed()).toMatchObject({ reason: 'client_reset' })
  })

  it('gives up on a silent client that ended while there was no upstream', async () => {
    const never = new Promise<never>(() => {})
    const { nextClosed, port } = await start(
      { listeners: [{ name: 'test', listen: '127.0.0.1:0' }] },
      { connectTarget: () => never },
    )
    const socket = await client(port)
    socket.destroy()
    const record = await nextClosed()
    expect(record.reason).toBe('client_fin')
    expect(record.times.total).toBeLessThan(4000)
  })
})

describe('connectTarget', () => {
  const anywhere: GatewayConfigInput = { listeners: [{ name: 'test', listen: '127.0.0.1:0' }] }

  it('chooses the upstream by client, as an address or a list', async () => {
    const upstream = await echo()
    const dead = await closedPort()
    const { nextClosed, port } = await start(anywhere, {
      connectTarget: ({ id }) => (id === 1 ? upstream : Promise.resolve([dead, upstream])),
    })
    expect(await exchange(port, 'one')).toBe('one')
    expect(await exchange(port, 'two')).toBe('two')
    // Those of two workers may come in any order.
    const closed = [await nextClosed(), await nextClosed()].sort((one, other) => one.id - other.id)
    expect(closed.map(({ attempts }) => attempts)).toEqual([1, 2])
  })

  it('leaves the choice to the config when it answers nothing', async () => {
    const { port } = await start(listenerTo(await echo()), { connectTarget: () => null })
    expect(await exchange(port, 'hello')).toBe('hello')
  })

  it('may answer with a stream of its own', async () => {
    const { nextClosed, port } = await start(anywhere, {
      connectTarget: () => {
        let answered = false
        const upper = new Duplex({
          read() {},
          write(chunk: Buffer, _encoding, done) {
            upper.push(chunk.toString().toUpperCase())
            done()
          },
          final(done) {
            if (!answered) upper.push(null)
            answered = true
            done()
          },
        })
        return upper
      },
    })
    expect(await exchange(port, 'hello')).toBe('HELLO')
    expect((await nextClosed()).reason).toBe('client_fin')
  })

  it('may answer with a socket that is still connecting', async () => {
    const upstream = await echo()
    const { port } = await start(anywhere, {
      connectTarget: () =>
        connect({ port: Number(upstream.split(':')[1]), host: '127.0.0.1', allowHalfOpen: true }),
    })
    expect(await exchange(port, 'hello')).toBe('hello')
  })

  it('that answers with a socket that fails ends the connection as a failed dial', async () => {
    const dead = await closedPort()
    const { nextClosed, port } = await start(anywhere, {
      connectTarget: () => connect(Number(dead.split(':')[1]), '127.0.0.1'),
    })
    await client(port).catch(() => null)
    expect(await nextClosed()).toMatchObject({ reason: 'dial_failed' })
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('no idea')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no idea'))],
  ])('that %s ends that one connection with reason error', async (_, connectTarget) => {
    const { nextClosed, port } = await start(anywhere, { connectTarget })
    await client(port).catch(() => null)
    const record = await nextClosed()
    expect(record.reason).toBe('error')
    expect(record.error?.message).toContain('no idea')
  })

  it.each([
    ['without a host', { kind: 'tcp', port: 80 }],
    ['with a host that is no text', { kind: 'tcp', host: 5, port: 80 }],
    ['with a port out of range', { kind: 'tcp', host: '127.0.0.1', port: 99_999 }],
    ['of no kind', { kind: 'tpc' }],
  ])('that answers with an address %s ends that one connection with reason error', async (_, wrong) => {
    // As a hook in plain JavaScript may.
    const connectTarget = () => Promise.resolve(wrong as Address)
    const { nextClosed, port } = await start(anywhere, { connectTarget })
    await client(port).catch(() => null)
    const record = await nextClosed()
    expect(record.reason).toBe('error')
    expect(record.error?.message).toContain('is not an address')
  })

  it('that answers with a socket that never finishes its handshake has it closed at the connect timeout', async () => {
    const silent = await serve(() => {})
    const sockets: Socket[] = []
    const { nextClosed, port } = await start(
      { ...anywhere, timeouts: { connect: 30 } },
      {
        connectTarget: () => {
          const socket = connectTls({ port: Number(silent.split(':')[1]), host: '127.0.0.1' })
          sockets.push(socket)
          return socket
        },
      },
    )
    await client(port)
    expect(await nextClosed()).toMatchObject({ reason: 'dial_timeout' })
    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true])
  })

  it.each([
    ['in object mode', () => new Duplex({ objectMode: true, read() {} })],
    ['with an encoding', () => new Duplex({ encoding: 'utf8', read() {} })],
  ])('may not answer with a stream %s, which carries no bytes', async (_, connectTarget) => {
    const { nextClosed, port } = await start(anywhere, { connectTarget })
    await client(port).catch(() => null)
    const record = await nextClosed()
    expect(record.reason).toBe('error')
    expect(record.error?.message).toContain('bytes')
  })

  it('may not answer with the same stream twice, which would carry the bytes of two clients', async () => {
    const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
    const { gateway, nextClosed, port } = await start(anywhere, { connectTarget: () => stream })
    await client(port)
    await eventually('the first link', () => gateway.connections()[0]?.state === 'linked')
    await client(port).catch(() => null)
    expect(await nextClosed()).toMatchObject({ id: 2, reason: 'error' })
    expect(gateway.connections()).toMatchObject([{ id: 1, state: 'linked' }])
  })

  it('has to answer within the connect timeout, and what it brings later is put away', async () => {
    let give: (stream: Duplex) => void = () => {}
    const late = new Promise<Duplex>((resolve) => {
      give = resolve
    })
    const { nextClosed, port } = await start(
      { ...anywhere, timeouts: { connect: 30 } },
      { connectTarget: () => late },
    )
    await client(port)
    expect(await nextClosed()).toMatchObject({ reason: 'dial_timeout' })
    const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
    give(stream)
    await once(stream, 'close')
    expect(stream.destroyed).toBe(true)
  })
})

describe('inspect', () => {
  it('passes, drops, replaces and terminates, also when it takes its time', async () => {
    let dropped = false
    const { nextClosed, port } = await start(listenerTo(await echo()), {
      inspect: async (chunk, { direction }) => {
        if (direction === 'downstream') return 'pass'
        const text = Buffer.from(chunk).toString()
        dropped = text === 'drop'
        if (dropped) return 'drop'
        if (text === 'swap') return Buffer.from('swapped')
        return text === 'stop' ? 'terminate' : undefined
      },
    })
    const socket = await client(port)
    const say = async (text: string, answer: string) => {
      socket.write(text)
      expect(String((await once(socket, 'data'))[0])).toBe(answer)
    }
    await say('same', 'same')
    await say('swap', 'swapped')
    socket.write('drop')
    const broken = errorCode(socket)
    await eventually('a chunk left out', () => dropped)
    socket.write('stop')
    expect(await broken).toBe('ECONNRESET')
    expect(await nextClosed()).toMatchObject({ reason: 'denied', bytes: { upstream: 11, downstream: 11 } })
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('cannot read this')
      },
    ],
    ['rejects', () => Promise.reject(new Error('cannot read this'))],
  ])('that %s ends that one connection with reason error', async (_, inspect) => {
    let calls = 0
    const { nextClosed, port } = await start(listenerTo(await echo()), {
      inspect: () => (calls++ === 0 ? inspect() : undefined),
    })
    const socket = await client(port)
    socket.write('x')
    const record = await nextClosed()
    expect(record.reason).toBe('error')
    expect(record.error?.message).toContain('cannot read this')
    expect(await exchange(port, 'next')).toBe('next')
  })
})

describe('observers', () => {
  it('see the connection open, its bytes, its half-closes and its end', async () => {
    const seen: string[] = []
    const { nextClosed, port } = await start(listenerTo(await echo()), {
      observers: [
        {
          onOpen: ({ id }) => seen.push(`open ${id}`),
          onData: (_, chunk, direction) => seen.push(`${direction} ${Buffer.from(chunk)}`),
          onEndOfStream: (_, direction) => seen.push(`${direction} ends`),
          onClose: ({ reason }) => seen.push(reason),
        },
      ],
    })
    await exchange(port, 'hi')
    await nextClosed()
    expect(seen).toEqual([
      'open 1',
      'upstream hi',
      'upstream ends',
      'downstream hi',
      'downstream ends',
      'client_fin',
    ])
  })

  it.each(['onOpen', 'onData', 'onEndOfStream', 'onClose'] as const)(
    'whose %s throws hurt their own connection at most',
    async (method) => {
      let faults = 0
      const { nextClosed, port } = await start(listenerTo(await echo()), {
        observers: [
          {
            [method]: () => {
              if (faults++ === 0) throw new Error('observer fault')
            },
          },
        ],
      })
      attempt(port).end('x')
      const record = await nextClosed()
      expect(record.reason).toBe(method === 'onClose' ? 'client_fin' : 'error')
      expect(await exchange(port, 'next')).toBe('next')
    },
  )

  it.each(['onOpen', 'onData', 'onClose'] as const)(
    'whose %s rejects hurt their own connection at most',
    async (method) => {
      let faults = 0
      const { nextClosed, port } = await start(listenerTo(await echo()), {
        observers: [
          {
            [method]: async () => {
              if (faults++ === 0) throw new Error('observer fault')
            },
          },
        ],
      })
      const socket = attempt(port)
      socket.write('x')
      if (method === 'onClose') socket.end()
      const { reason, error } = await nextClosed()
      if (method === 'onClose') expect(reason).toBe('client_fin')
      else expect([reason, error?.message]).toEqual(['error', 'a hook failed: observer fault'])
      expect(await exchange(port, 'next')).toBe('next')
    },
  )

  it('whose last call rejects when its connection is over anyway hurt nobody', async () => {
    const { nextClosed, port } = await start(listenerTo(await echo()), {
      observers: [
        {
          onEndOfStream: async (_, direction) => {
            await nextClosed()
            throw new Error(`too late: ${direction}`)
          },
        },
      ],
    })
    for (const text of ['one', 'two']) expect(await exchange(port, text)).toBe(text)
  })

  it('may end the connection they are told of', async () => {
    const { gateway, nextClosed, port } = await start(listenerTo(await echo()), {
      observers: [{ onOpen: ({ id }) => void gateway.kill(id) }],
    })
    expect(await errorCode(attempt(port))).toBe('ECONNRESET')
    expect((await nextClosed()).reason).toBe('killed')
  })
})

describe('close', () => {
  it('waits for open connections, which end by themselves', async () => {
    const { gateway, nextClosed, port } = await start(listenerTo(await echo()))
    const socket = await client(port)
    socket.write('a')
    await once(socket, 'data')
    const closed = gateway.close()
    await refused(port)
    socket.end('b')
    expect(await received(socket)).toBe('b')
    await closed
    expect((await nextClosed()).reason).toBe('client_fin')
  })

  it('cuts what is left after the drain timeout', async () => {
    const { gateway, nextClosed, port } = await start({ ...listenerTo(await echo()), drainTimeout: 20 })
    const socket = await client(port)
    socket.write('a')
    await once(socket, 'data')
    await gateway.close()
    expect((await nextClosed()).reason).toBe('drained')
    expect(gateway.connections()).toEqual([])
  })

  it('is ended early by destroy', async () => {
    const { gateway, nextClosed, port } = await start(listenerTo(await echo()))
    const socket = await client(port)
    socket.write('a')
    await once(socket, 'data')
    const closed = gateway.close()
    await gateway.destroy()
    await closed
    expect((await nextClosed()).reason).toBe('drained')
  })
})

describe('a gateway that cannot start', () => {
  it.each([
    [{ inspekt: () => {} }, 'inspekt: expected one of connectTarget, inspect, observers, logger'],
    [{ inspect: 5 }, 'inspect: expected a function'],
    [{ observers: { onClose: () => {} } }, 'observers: expected a list of observers'],
    [{ observers: [null] }, 'observers: expected a list of objects'],
  ])('names the hook that is none: %j', async (options, message) => {
    const config = { listeners: [{ listen: '127.0.0.1:0', upstream: '127.0.0.1:1' }] }
    const error = await createGateway(config, options as unknown as GatewayOptions).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'value_invalid', message: expect.stringContaining(message) })
  })

  it('leaves no new recording behind, and an old one as it was', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tidegate-test-'))
    cleanups.push(() => rm(folder, { recursive: true }))
    const file = join(folder, 'x.pcapng')
    const taken: GatewayConfigInput = { ...listenerTo('127.0.0.1:1'), record: { file } }
    const bad = { ...taken, listeners: [{ listen: await echo(), upstream: '127.0.0.1:1' }] }
    await expect(createGateway(bad)).rejects.toMatchObject({ code: 'address_in_use' })
    await expect(stat(file)).rejects.toMatchObject({ code: 'ENOENT' })
    await (await createGateway(taken)).close()
    await expect(createGateway(bad)).rejects.toMatchObject({ code: 'address_in_use' })
    expect((await stat(file)).size).toBeGreaterThan(0)
  })

  it('says what is wrong with the config, all of it', async () => {
    const bad = { listeners: [{ listen: 'nowhere', upstream: '127.0.0.1:0', idel: 3 }] } as unknown
    await expect(createGateway(bad as GatewayConfigInput)).rejects.toMatchObject({ code: 'config_invalid' })
  })

  it('leaves nothing open when a listener cannot be opened', async () => {
    const upstream = await echo()
    const { gateway } = await start(listenerTo(upstream))
    const taken = `127.0.0.1:${portOf(gateway.listeners[0]?.address)}`
    const free = await closedPort()
    const config: GatewayConfigInput = {
      listeners: [
        { listen: free, upstream },
        { listen: taken, upstream },
      ],
    }
    await expect(createGateway(config)).rejects.toMatchObject({ code: 'address_in_use' })
    const { port } = await start({ listeners: [{ listen: free, upstream }] })
    expect(await exchange(port, 'x')).toBe('x')
  })
})

describe('reload', () => {
  const config = (listeners: GatewayConfigInput['listeners']): GatewayConfigInput => ({ listeners })

  const connected = async (gateway: Gateway, port: number): Promise<Socket> => {
    const socket = await client(port)
    await eventually('a link', () => gateway.connections().some(({ state }) => state === 'linked'))
    return socket
  }

  it('sends new clients where the new config says, and leaves open connections alone', async () => {
    const [a, b] = [await serve((socket) => socket.end('a')), await serve((socket) => socket.end('b'))]
    const slow = await echo()
    const { gateway, port } = await start(config([{ name: 'x', listen: '127.0.0.1:0', upstream: slow }]))
    const open = await connected(gateway, port)
    await gateway.reload(config([{ name: 'x', listen: '127.0.0.1:0', upstream: a }]))
    expect(await exchange(port, '')).toBe('a')
    await gateway.reload(config([{ name: 'x', listen: '127.0.0.1:0', upstream: b }]))
    expect(await exchange(port, '')).toBe('b')
    open.end('still')
    expect(await received(open)).toBe('still')
  })

  it('opens and closes listeners', async () => {
    const upstream = await echo()
    const { gateway, port } = await start(config([{ name: 'x', listen: '127.0.0.1:0', upstream }]))
    await gateway.reload(config([{ name: 'y', listen: '127.0.0.1:0', upstream }]))
    await expect(client(port)).rejects.toThrow('ECONNREFUSED')
    expect(gateway.listeners.map(({ name }) => name)).toEqual(['y'])
    expect(await exchange(portOf(gateway.listeners[0]?.address), 'z')).toBe('z')
  })

  it('says which parts of the new config have to wait for the next start', async () => {
    const warnings: string[] = []
    const logger = {
      debug() {},
      info() {},
      error() {},
      warn: (_: object, text: string) => warnings.push(text),
    }
    const config = { ...SETTING, ...listenerTo(await echo()) }
    const { gateway } = await start(config, { logger })
    await gateway.reload({ ...config, drainTimeout: '1s' })
    expect(warnings).toEqual([])
    await gateway.reload({ ...config, log: { level: 'warn' }, record: { file: 'unused.pcapng' } })
    expect(warnings.map((text) => /'\w+'/.exec(text)?.[0])).toEqual(["'record'", "'log'"])
  })

  it('changes nothing when the new config has a mistake', async () => {
    const { gateway, port } = await start(listenerTo(await echo()))
    await expect(gateway.reload({ listeners: [] })).rejects.toMatchObject({ code: 'config_invalid' })
    expect(await exchange(port, 'z')).toBe('z')
  })

  it('lets two listeners swap their addresses', async () => {
    const upstream = await echo()
    const [one, two] = [await closedPort(), await closedPort()]
    const swap = (x: string, y: string) =>
      config([
        { name: 'x', listen: x, upstream },
        { name: 'y', listen: y, upstream },
      ])
    const { gateway } = await start(swap(one, two))
    await gateway.reload(swap(two, one))
    expect(gateway.listeners.map(({ address }) => formatAddress(address))).toEqual([two, one])
  })

  it('is refused once the gateway is closed', async () => {
    const { gateway } = await start(listenerTo(await echo()))
    await gateway.close()
    await expect(gateway.reload(listenerTo('127.0.0.1:1'))).rejects.toMatchObject({ code: 'misuse' })
  })

  it('keeps a listener as it was when its new address cannot be had', async () => {
    const upstream = await echo()
    const { gateway } = await start(config([{ name: 'x', listen: '127.0.0.1:0', upstream }]))
    const taken = await echo()
    await expect(gateway.reload(config([{ name: 'x', listen: taken, upstream }]))).rejects.toMatchObject({
      code: 'address_in_use',
    })
    const now = portOf(gateway.listeners[0]?.address)
    expect(await exchange(now, 'z')).toBe('z')
  })
})

describe('recording', () => {
  const folder = async (): Promise<string> => {
    const path = await mkdtemp(join(tmpdir(), 'tidegate-test-'))
    cleanups.push(() => rm(path, { recursive: true }))
    return path
  }

  it('writes what was relayed, for the owner only, and counts it', async () => {
    const file = join(await folder(), 'x.pcapng')
    const { gateway, nextClosed, port } = await start({ ...listenerTo(await echo()), record: { file } })
    expect(await exchange(port, 'remember me')).toBe('remember me')
    await nextClosed()
    await gateway.close()
    expect(gateway.counters().recording).toMatchObject({ connections: 1, storedBytes: 22, lostBytes: 0 })
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    const bytes = await readFile(file)
    expect(bytes.readUInt32LE(0)).toBe(0x0a0d0d0a)
    expect(bytes.includes('remember me')).toBe(true)
    expect(bytes.includes('tidegate close ')).toBe(true)
  })

  it('gives the packets the address behind an upstream that is known by name', async () => {
    const file = join(await folder(), 'x.pcapng')
    const upstream = (await echo()).replace('127.0.0.1', 'localhost')
    const { gateway, nextClosed, port } = await start({ ...listenerTo(upstream), record: { file } })
    await exchange(port, 'x')
    expect(formatAddress((await nextClosed()).upstream ?? { kind: 'unix', path: '' })).toBe(upstream)
    await gateway.close()
    expect((await readFile(file)).includes(`"server":"${upstream.replace('localhost', '127.0.0.1')}"`)).toBe(
      true,
    )
  })

  it('records what inspect made of it, since that is what was relayed', async () => {
    const file = join(await folder(), 'x.pcapng')
    const { gateway, nextClosed, port } = await start(
      { ...listenerTo(await echo()), record: { file } },
      { inspect: (_, { direction }) => (direction === 'upstream' ? Buffer.from('public') : undefined) },
    )
    expect(await exchange(port, 'secret')).toBe('public')
    await nextClosed()
    await gateway.close()
    const bytes = await readFile(file)
    expect(bytes.includes('secret')).toBe(false)
    expect(bytes.includes('public')).toBe(true)
  })

  it('leaves out the listeners that are not to be recorded', async () => {
    const file = join(await folder(), 'x.pcapng')
    const { gateway, nextClosed, port } = await start({
      ...listenerTo(await echo(), { record: false }),
      record: { file },
    })
    await exchange(port, 'private')
    await nextClosed()
    await gateway.close()
    expect((await readFile(file)).includes('private')).toBe(false)
  })

  it('has an interface for listeners that a reload lets be recorded, when none was before', async () => {
    const file = join(await folder(), 'x.pcapng')
    const config = (record: boolean) => ({ ...listenerTo(upstream, { record }), record: { file } })
    const upstream = await echo()
    const { gateway, nextClosed, port } = await start(config(false))
    await gateway.reload(config(true))
    await exchange(port, 'public')
    await nextClosed()
    await gateway.close()
    const reader = createPcapngReader()
    const records = [...reader.push(await readFile(file)), ...reader.end()]
    expect(records.filter(({ kind }) => kind === 'damage')).toEqual([])
    expect(records.filter(({ kind }) => kind === 'packet').length).toBeGreaterThan(3)
  })
})
