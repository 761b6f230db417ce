/** Pools of upstreams through a whole gateway, over real sockets. */

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { GatewayConfigInput } from '../../src/config/config.js'
import { createGateway } from '../../src/control/gateway.js'
import type { GatewayOptions } from '../../src/control/hooks.js'
import type { ConnectionRecord } from '../../src/core/session/record.js'
import { seededRandom } from '../support/payload.js'
import { establishedAt } from '../support/proc.js'
import { eventually, type Scope, testScope } from '../support/scope.js'
import { IS_AT_LENGTH, SETTING } from '../support/setting.js'
import { dial, exchange, LOOPBACK, readAll, startServer } from '../support/sockets.js'
import { playAllTagged, startTagged, TAGGED_RESET, taggedPlan, WELL_BEHAVED } from '../support/tagged.js'

type UpstreamInput = Exclude<NonNullable<GatewayConfigInput['upstreams']>[string], string>
type PoolInput = NonNullable<UpstreamInput['pool']>

const STATELESS: PoolInput = { mode: 'reuse', stateless: true, quiet: '5ms' }
const RESET: PoolInput = { mode: 'reuse', reset: TAGGED_RESET, quiet: '5ms' }

/** What one plane keeps idle, another cannot use: there are as many as workers. */
const PLANES = Math.max(1, SETTING.workers)

const start = async (
  scope: Scope,
  upstream: number | string,
  pool: PoolInput,
  changes: Partial<UpstreamInput> = {},
  options: GatewayOptions & { readonly record?: string } = {},
) => {
  const { record, ...hooks } = options
  const records: ConnectionRecord[] = []
  const address = typeof upstream === 'string' ? upstream : `${LOOPBACK}:${upstream}`
  const config = (pool: PoolInput, more: Partial<UpstreamInput> = {}): GatewayConfigInput => ({
    ...SETTING,
    listeners: [
      { name: 'test', listen: `${LOOPBACK}:0`, upstream: 'pooled', ...(record ? { record: true } : {}) },
    ],
    upstreams: { pooled: { endpoints: [address], pool, ...changes, ...more } },
    ...(record ? { record: { file: record } } : {}),
  })
  const gateway = await createGateway(config(pool), {
    ...hooks,
    observers: [{ onClose: (closed) => void records.push(closed) }],
  })
  scope.defer(() => gateway.destroy())
  const at = gateway.listeners[0]?.address
  if (at?.kind !== 'tcp') throw new Error('it listens on TCP')
  const endpoint = () => {
    const found = gateway.counters().upstreams.pooled?.endpoints[0]
    if (found === undefined) throw new Error('the upstream has no endpoint')
    return found
  }
  return {
    gateway,
    records,
    config,
    port: at.port,
    endpoint,
    /** Nobody is served, and so many wait in the pool. */
    idle: (count: number) =>
      eventually(`${count} idle connections`, () => endpoint().idle === count && endpoint().active === 0),
    closed: (count: number) =>
      eventually(`${count} connections have ended`, () => records.length >= count && records),
  }
}

/** Sends a line, gets one, and stays. */
const ask = async (socket: Socket, line: string): Promise<string> => {
  let reply = ''
  socket.on('data', (chunk) => {
    reply += chunk.toString('latin1')
  })
  socket.write(line)
  await eventually(`an answer to ${line}`, () => reply.endsWith('\n') || socket.closed)
  return reply
}

const echo = (socket: Socket): void => {
  socket.on('data', (chunk) => socket.write(chunk))
  socket.on('end', () => socket.end())
}

/** One client that comes, is answered and leaves. */
const visit = async (scope: Scope, port: number, line = 'hello\n'): Promise<string> => {
  const socket = await dial(scope, port)
  const reply = await ask(socket, line)
  socket.end()
  await eventually('it is closed', () => socket.closed)
  return reply
}

describe('prewarm', () => {
  it('connects before the client does, and gives each connection to one client', async () => {
    const scope = testScope()
    let accepted = 0
    const server = await startServer(scope, (socket) => {
      accepted++
      echo(socket)
    })
    const min = 2 * PLANES
    const { port, endpoint, idle } = await start(scope, server.port, { mode: 'prewarm', min })
    await idle(min)
    await eventually('the server knows', () => accepted === min)
    for (let n = 1; n <= 5; n++) {
      expect(await visit(scope, port)).toBe('hello\n')
      await idle(min)
      await eventually('another one is dialled', () => accepted === min + n)
      expect(endpoint().counts).toMatchObject({ spare: n, reused: 0, unclean: 0 })
    }
    await eventually('those that were used are closed', () => server.sockets.size === min)
  })

  it('leaves what a server says first to the first client, whole and once', async () => {
    const scope = testScope()
    let greeted = 0
    const server = await startServer(scope, (socket) => {
      socket.write(`220 welcome ${++greeted}\n`)
      echo(socket)
    })
    const { port, endpoint, idle } = await start(scope, server.port, { mode: 'prewarm', min: PLANES })
    const seen: string[] = []
    for (let n = 0; n < 10; n++) {
      await idle(PLANES)
      const socket = await dial(scope, port)
      const reply = readAll(socket)
      socket.end('bye')
      seen.push((await reply).toString())
    }
    for (const text of seen) expect(text).toMatch(/^220 welcome \d+\nbye$/)
    expect(new Set(seen).size).toBe(10)
    expect(endpoint().counts.spare).toBe(10)
  })

  it('gives nobody a connection that the server has greeted and ended', async () => {
    const scope = testScope()
    const server = await startServer(scope, (socket) => {
      socket.write('220 welcome\n')
      echo(socket)
    })
    const { port, idle } = await start(scope, server.port, { mode: 'prewarm', min: PLANES })
    for (let round = 0; round < 3; round++) {
      await idle(PLANES)
      for (const socket of server.sockets) socket.end()
      // The gateway has all the time it needs to notice.
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
      expect((await exchange(await dial(scope, port), Buffer.from('bye'))).toString()).toMatch(
        /^220 welcome\n(bye)?$/,
      )
    }
  })

  it('keeps within maxConnections, spare ones included', async () => {
    const scope = testScope()
    const server = await startServer(scope, echo)
    const { port, gateway, idle, endpoint } = await start(
      scope,
      server.port,
      { mode: 'prewarm', min: 2 },
      { maxConnections: 3 },
    )
    await idle(2)
    const clients = await Promise.all(Array.from({ length: 3 }, () => dial(scope, port)))
    for (const client of clients) expect(await ask(client, 'x\n')).toBe('x\n')
    expect(endpoint()).toMatchObject({ active: 3, idle: 0 })
    const fourth = await dial(scope, port)
    const reply = ask(fourth, 'y\n')
    await eventually('it waits', () => gateway.counters().upstreams.pooled?.waiting === 1)
    clients[0]?.end()
    expect(await reply).toBe('y\n')
  })
})

/** What an upstream may do that is asked to reset its connection. */
const WRONG_ANSWERS: [string, (socket: Socket, line: string) => void][] = [
  ['says something else', (socket) => socket.write('what?\n')],
  ['says too much', (socket, line) => socket.write(`${line}\n!`)],
  ['says less, and ends', (socket, line) => socket.end(line.slice(0, 9))],
  ['answers with the nonce of before', (socket) => socket.write('RESET 0123456789abcdef\n')],
  ['says nothing', () => {}],
  ['ends', (socket) => socket.end()],
  ['resets', (socket) => socket.resetAndDestroy()],
]

describe('reuse', () => {
  it.each([
    ['stateless', STATELESS],
    ['with a reset', RESET],
  ])('(%s) serves many clients by few connections', async (_, pool) => {
    const scope = testScope()
    const service = await startTagged(scope, seededRandom(1))
    const { port, endpoint, records, idle, closed } = await start(scope, service.server.port, pool)
    for (let n = 1; n <= 12; n++) {
      expect(await visit(scope, port, `GET t${n}; 0 2\n`)).toBe(`t${n}; 0 - t${`${n};`[0]}\n`)
      await eventually('it is idle', () => endpoint().active === 0 && endpoint().idle === service.accepted)
    }
    expect(service.accepted).toBeLessThanOrEqual(PLANES)
    expect(service.malformed).toEqual([])
    await idle(service.accepted)
    expect(endpoint().counts).toMatchObject({
      connected: service.accepted,
      reused: 12 - service.accepted,
      spare: 0,
      unclean: 0,
    })
    await closed(12)
    for (const record of records) expect(record).toMatchObject({ reason: 'client_fin', error: null })
  })

  it('relays a FIN right behind a request, and does not reuse that connection', async () => {
    const scope = testScope()
    const service = await startTagged(scope, seededRandom(1))
    const { port, endpoint, closed } = await start(scope, service.server.port, RESET)
    for (let n = 1; n <= 5; n++) {
      const reply = await exchange(await dial(scope, port), Buffer.from('GET t1; 0 3\n'))
      expect(reply.toString()).toBe('t1; 0 - t1;\n')
    }
    expect((await closed(5)).map(({ reason }) => reason)).toEqual(Array(5).fill('client_fin'))
    expect(service.accepted).toBe(5)
    await eventually('nothing is open', () => service.server.sockets.size === 0)
    expect(endpoint()).toMatchObject({ idle: 0, active: 0, counts: { reused: 0, unclean: 0 } })
  })

  it('passes the end of an upstream that ends first on, as always', async () => {
    const scope = testScope()
    const server = await startServer(scope, (socket) => socket.once('data', () => socket.end('done\n')))
    const { port, endpoint, closed } = await start(scope, server.port, { ...STATELESS, quiet: '10s' })
    const socket = await dial(scope, port)
    const reply = readAll(socket)
    socket.write('x')
    expect((await reply).toString()).toBe('done\n')
    socket.end()
    expect((await closed(1))[0]).toMatchObject({ reason: 'upstream_fin' })
    await eventually('nothing is open', () => server.sockets.size === 0)
    expect(endpoint().counts).toMatchObject({ reused: 0, unclean: 0 })
  })

  it('lets no byte cross, whenever and however clients leave, when a reset proves it', async () => {
    const scope = testScope()
    const random = seededRandom(4)
    const service = await startTagged(scope, random, 2)
    const { port, endpoint } = await start(scope, service.server.port, { ...RESET, max: 16 })
    const foreign: unknown[] = []
    let whole = 0
    await playAllTagged(
      IS_AT_LENGTH ? 1000 : 400,
      24,
      port,
      (n) => taggedPlan(n, random),
      (plan, outcome) => {
        if (!outcome.isOwn) foreign.push([plan, outcome])
        if (plan.moment === 'after' || plan.moment === 'torn')
          expect(outcome.isWhole, JSON.stringify([plan, outcome])).toBe(true)
        if (outcome.isWhole) whole++
      },
    )
    expect(foreign).toEqual([])
    expect(whole).toBeGreaterThan(100)
    // What one client began was never ended by another one's bytes: the reset was in between.
    expect(service.malformed.filter((line) => !/RESET [0-9a-f]{16}$/.test(line))).toEqual([])
    expect(service.malformed.length).toBeGreaterThan(0)
    await eventually('all is at rest', () => {
      const { active, idle } = endpoint()
      return active === 0 && idle === service.server.sockets.size
    })
    const { counts, idle } = endpoint()
    expect(idle).toBeLessThanOrEqual(16)
    expect(counts.reused).toBeGreaterThan(50)
    expect(counts.unclean).toBeGreaterThan(0)
    expect(counts.failed).toBe(0)
  })

  it('lets no byte cross between well-behaved clients of a stateless service', async () => {
    const scope = testScope()
    const random = seededRandom(5)
    const service = await startTagged(scope, random)
    const { port, endpoint } = await start(scope, service.server.port, STATELESS)
    const foreign: unknown[] = []
    const plan = (n: number) => taggedPlan(n, random, WELL_BEHAVED, { isNamed: false })
    await playAllTagged(IS_AT_LENGTH ? 600 : 300, 24, port, plan, (each, outcome) => {
      if (!outcome.isOwn) foreign.push([each, outcome])
      if (each.moment === 'after') expect(outcome.isWhole).toBe(true)
    })
    expect(foreign).toEqual([])
    expect(service.malformed).toEqual([])
    expect(endpoint().counts.reused).toBeGreaterThan(50)
  })

  // It is the engine that matters here, and workers take their time to start.
  it.each(SETTING.workers === 0 ? WRONG_ANSWERS : WRONG_ANSWERS.slice(0, 2))(
    'closes a connection whose upstream, asked to reset it, %s',
    async (_, onReset) => {
      const scope = testScope()
      let accepted = 0
      const server = await startServer(scope, (socket) => {
        accepted++
        socket.on('data', (chunk) => {
          const line = chunk.toString().trim()
          if (line.startsWith('RESET')) onReset(socket, line)
          else socket.write(`${line} indeed\n`)
        })
        socket.on('end', () => socket.end())
      })
      const pool: PoolInput = { ...RESET, reset: { ...TAGGED_RESET, timeout: '200ms' } }
      const { port, endpoint } = await start(scope, server.port, pool, { passiveHealth: { failures: 0 } })
      for (let n = 1; n <= 3; n++) {
        expect(await visit(scope, port)).toBe('hello indeed\n')
        await eventually('it is closed', () => endpoint().counts.unclean === n)
        await eventually('the server is rid of it', () => server.sockets.size === 0)
      }
      expect(accepted).toBe(3)
      expect(endpoint()).toMatchObject({ idle: 0, active: 0, counts: { reused: 0, unclean: 3 } })
    },
  )

  it('counts a reset exchange that the upstream never reads as unclean, and gives its place back', async () => {
    const scope = testScope()
    const server = await startServer(scope, (socket) =>
      socket.once('data', () => {
        socket.pause()
        socket.write('ok\n')
      }),
    )
    const pool: PoolInput = { ...RESET, reset: { ...TAGGED_RESET, timeout: '100ms' } }
    const { port, endpoint } = await start(scope, server.port, pool, { maxConnections: PLANES })
    for (let n = 1; n <= 2; n++) {
      expect(await visit(scope, port)).toBe('ok\n')
      await eventually('it is given up', () => endpoint().counts.unclean === n)
    }
  })

  it('gives nobody bytes that came after the proof, and counts that as unclean', async () => {
    const scope = testScope()
    const service = await startTagged(scope, seededRandom(1))
    const { port, endpoint, idle } = await start(scope, service.server.port, STATELESS)
    for (let n = 1; n <= 5; n++) {
      expect(await visit(scope, port, 'GET t1; 0 0\n')).toBe('t1; 0 - \n')
      await eventually(
        'it is idle',
        () => endpoint().active === 0 && endpoint().idle === service.server.sockets.size,
      )
      for (const socket of service.server.sockets) socket.write('late')
    }
    expect(await visit(scope, port, 'GET t1; 0 0\n')).toBe('t1; 0 - \n')
    await eventually(
      'all but the last were unclean',
      () => endpoint().counts.unclean === service.accepted - endpoint().idle || null,
    )
    expect(endpoint().counts.reused).toBe(0)
    await idle(endpoint().idle)
  })

  it('waits with the next client until the upstream has been silent', async () => {
    const scope = testScope()
    const server = await startServer(scope, (socket) => {
      socket.once('data', () => socket.write('first\n'))
      socket.on('end', () => socket.end())
    })
    const { port, gateway, endpoint } = await start(scope, server.port, { ...STATELESS, quiet: '300ms' })
    const socket = await dial(scope, port)
    expect(await ask(socket, 'x')).toBe('first\n')
    const rest = readAll(socket)
    socket.end()
    for (let n = 0; n < 5; n++) {
      await new Promise((resolve) => setImmediate(resolve))
      for (const each of server.sockets) each.write(`${n}`)
    }
    // A client that has only half left still gets what is said in time.
    expect((await rest).toString()).toBe('01234')
    await eventually('it is idle', () => endpoint().idle === 1)
    expect(gateway.connections()).toEqual([])
  })

  it('closes after maxUses clients, without a reset that is of no use', async () => {
    const scope = testScope()
    const service = await startTagged(scope, seededRandom(1))
    const { port, endpoint } = await start(scope, service.server.port, { ...RESET, maxUses: 1 })
    for (let n = 1; n <= 4; n++) {
      expect(await visit(scope, port, 'GET t1; 0 0\n')).toBe('t1; 0 - \n')
      await eventually('it is closed', () => endpoint().active === 0 && service.server.sockets.size === 0)
    }
    expect(service.accepted).toBe(4)
    expect(endpoint().counts).toMatchObject({ reused: 0, unclean: 0 })
  })

  it.each([
    { cap: 10, clients: 500, atOnce: 500 },
    { cap: 1, clients: 60, atOnce: 20 },
  ])(
    'never has more than $cap connections, and serves all $clients clients',
    async ({ cap, clients, atOnce }) => {
      const scope = testScope()
      const random = seededRandom(cap)
      const service = await startTagged(scope, random, 2)
      const seen: number[] = []
      const { port, endpoint, gateway } = await start(
        scope,
        service.server.port,
        { ...RESET, quiet: '1ms', max: cap },
        { maxConnections: cap, queueTimeout: '60s' },
      )
      // There can be one more only when one has come.
      let looked = 0
      let nextAt = 0
      const timer = setInterval(() => {
        const before = performance.now()
        if (service.accepted === looked || before < nextAt) return
        looked = service.accepted
        seen.push(establishedAt(service.server.port, cap))
        // The table may be long, and this thread has more to do.
        nextAt = performance.now() + 3 * (performance.now() - before)
      }, 1)
      scope.defer(() => clearInterval(timer))
      const plan = (n: number) => taggedPlan(n, random, ['after'], { ways: ['end', 'close'], mostBytes: 500 })
      await playAllTagged(clients, atOnce, port, plan, (each, outcome) =>
        expect(outcome, each.tag).toMatchObject({ isWhole: true, errno: null }),
      )
      clearInterval(timer)
      expect(Math.max(...seen)).toBeLessThanOrEqual(cap)
      expect(Math.max(...seen)).toBeGreaterThan(0)
      expect(gateway.counters().upstreams.pooled?.waiting).toBe(0)
      await eventually('all is at rest', () => endpoint().active === 0 && endpoint().idle <= cap)
      expect(endpoint().counts.failed).toBe(0)
    },
    60_000,
  )

  it('works the same over a unix socket', async () => {
    const scope = testScope()
    const path = join(scope.tempDir(), 'service')
    const sockets = new Set<Socket>()
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => sockets.delete(socket))
      echo(socket)
    }).listen(path)
    await once(server, 'listening')
    scope.defer(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    const { port, endpoint } = await start(scope, `unix:${path}`, STATELESS)
    for (let n = 0; n < 20; n++) {
      expect(await visit(scope, port, `${n}\n`)).toBe(`${n}\n`)
      await eventually('it is idle', () => endpoint().active === 0 && endpoint().idle === sockets.size)
      // Found dead, or unread: gone either way, and no client hears of it.
      if (n % 5 === 4) for (const socket of sockets) n % 2 === 0 ? socket.destroy() : socket.write('late')
    }
    expect(endpoint().counts.reused).toBeGreaterThanOrEqual(20 - 5 * PLANES)
  })

  it('records each client apart, with the end that it made', async () => {
    const scope = testScope()
    const record = join(scope.tempDir(), 'pool.pcapng')
    const service = await startTagged(scope, seededRandom(1))
    const { port, gateway, records, endpoint, closed } = await start(
      scope,
      service.server.port,
      RESET,
      {},
      { record },
    )
    for (let n = 1; n <= 6; n++) {
      expect(await visit(scope, port, 'GET t1; 0 0\n')).toBe('t1; 0 - \n')
      await eventually('it is idle', () => endpoint().active === 0 && endpoint().idle === service.accepted)
    }
    await closed(6)
    for (const { reason, bytes } of records)
      expect({ reason, bytes }).toEqual({ reason: 'client_fin', bytes: { upstream: 12, downstream: 9 } })
    await gateway.close()
    expect(gateway.counters().recording).toMatchObject({ connections: 6 })
    const text = readFileSync(record).toString('latin1')
    // The reset exchange is nobody's conversation.
    expect(text).not.toContain('RESET')
    expect(text.match(/client_fin/g)).toHaveLength(6)
  })

  it('is not for connections that a hook chose', async () => {
    const scope = testScope()
    const server = await startServer(scope, echo)
    const { port, endpoint, closed } = await start(
      scope,
      server.port,
      STATELESS,
      {},
      {
        connectTarget: () => `${LOOPBACK}:${server.port}`,
      },
    )
    for (let n = 0; n < 3; n++) expect(await visit(scope, port)).toBe('hello\n')
    expect((await closed(3))[0]).toMatchObject({ reason: 'client_fin' })
    await eventually('nothing is open', () => server.sockets.size === 0)
    expect(endpoint()).toMatchObject({ idle: 0, active: 0, counts: { connected: 0 } })
  })
})

describe('a pool whose gateway', () => {
  const LONG: PoolInput = { mode: 'reuse', stateless: true, quiet: '60s' }
  const NEVER_PROVEN: PoolInput = { ...RESET, reset: { ...TAGGED_RESET, timeout: '60s' } }

  /** Answers requests, and keeps silent when it is asked to reset. */
  const silent = (socket: Socket): void => {
    socket.on('data', (chunk) => {
      if (!chunk.toString().startsWith('RESET')) socket.write('ok\n')
    })
    socket.on('end', () => socket.end())
  }

  const leave = async (scope: Scope, port: number): Promise<Socket> => {
    const socket = await dial(scope, port)
    expect(await ask(socket, 'x')).toBe('ok\n')
    socket.end()
    return socket
  }

  it('closes does not wait for idle connections, and closes them', async () => {
    const scope = testScope()
    const server = await startServer(scope, echo)
    const { gateway, port, idle } = await start(scope, server.port, { ...STATELESS, min: 2 * PLANES })
    await idle(2 * PLANES)
    await visit(scope, port)
    await gateway.close({ drainTimeoutMs: 600_000 })
    await eventually('nothing is open', () => server.sockets.size === 0)
  })

  it('closes while an upstream is being watched for silence cuts that at the drain timeout', async () => {
    const scope = testScope()
    const server = await startServer(scope, silent)
    const { gateway, port, closed } = await start(scope, server.port, LONG)
    await leave(scope, port)
    await gateway.close({ drainTimeoutMs: 50 })
    expect((await closed(1))[0]?.reason).toBe('drained')
    await eventually('nothing is open', () => server.sockets.size === 0)
  })

  it('closes during a reset exchange waits for nobody', async () => {
    const scope = testScope()
    const server = await startServer(scope, silent)
    const { gateway, port, closed } = await start(scope, server.port, NEVER_PROVEN)
    await leave(scope, port)
    expect((await closed(1))[0]?.reason).toBe('client_fin')
    await gateway.close({ drainTimeoutMs: 600_000 })
    await eventually('nothing is open', () => server.sockets.size === 0)
  })

  it('is told to kill a client that has left, while its upstream is watched, closes both', async () => {
    const scope = testScope()
    const server = await startServer(scope, silent)
    const { gateway, port, closed, endpoint } = await start(scope, server.port, LONG)
    const client = await leave(scope, port)
    const live = await eventually('it is linked', () => gateway.connections()[0])
    expect(gateway.kill(live.id)).toBe(true)
    expect((await closed(1))[0]?.reason).toBe('killed')
    await eventually('both are closed', () => client.closed && server.sockets.size === 0)
    await eventually('nobody is served', () => endpoint().active === 0)
    expect(endpoint().idle).toBe(0)
  })

  it('sees the upstream reset while it is watched for silence closes it', async () => {
    const scope = testScope()
    const server = await startServer(scope, silent)
    const { port, closed, endpoint } = await start(scope, server.port, LONG)
    await leave(scope, port)
    await eventually('it is there', () => server.sockets.size === 1)
    for (const socket of server.sockets) socket.resetAndDestroy()
    expect((await closed(1))[0]?.reason).toBe('upstream_reset')
    expect(endpoint()).toMatchObject({ idle: 0, active: 0 })
  })

  it.each<[string, PoolInput]>([
    ['off', { mode: 'off' }],
    ['prewarm', { mode: 'prewarm', min: 1 }],
  ])('is reloaded to %s closes what it keeps, and what comes back', async (mode, pool) => {
    const scope = testScope()
    const server = await startServer(scope, echo)
    const { gateway, port, config, endpoint } = await start(scope, server.port, STATELESS)
    const staying = await dial(scope, port)
    expect(await ask(staying, 'x\n')).toBe('x\n')
    await visit(scope, port)
    await eventually('one is idle', () => endpoint().idle === 1)
    await gateway.reload(config(pool))
    const spare = mode === 'off' ? 0 : 1
    await visit(scope, port)
    staying.end()
    await eventually(
      'only spare ones are left',
      () => server.sockets.size === spare && endpoint().idle === spare,
    )
    expect(endpoint().active).toBe(0)
  })

  it('is reloaded with another proof closes what it kept by the one before', async () => {
    const scope = testScope()
    const service = await startTagged(scope, seededRandom(1))
    const { gateway, port, config, endpoint } = await start(scope, service.server.port, STATELESS)
    await visit(scope, port, 'NAME t1;\n')
    await eventually('it is kept as it is', () => endpoint().idle === 1)
    await gateway.reload(config(RESET))
    await eventually('it is closed', () => service.server.sockets.size === 0 && endpoint().idle === 0)
    expect(await visit(scope, port, 'GET t1; 0 0\n')).toBe('t1; 0 - \n')
  })

  it('is reloaded to a lower maxConnections closes idle ones beyond', async () => {
    const scope = testScope()
    const server = await startServer(scope, echo)
    const { gateway, port, config, endpoint } = await start(scope, server.port, STATELESS)
    const clients = await Promise.all(Array.from({ length: 6 }, () => dial(scope, port)))
    for (const client of clients) expect(await ask(client, 'x\n')).toBe('x\n')
    for (const client of clients) client.end()
    await eventually('all are idle', () => endpoint().idle === 6)
    await gateway.reload(config({ ...STATELESS, max: 2 }, { maxConnections: 2 }))
    await eventually('two are left', () => server.sockets.size <= 2 && endpoint().idle <= 2)
    expect(await visit(scope, port)).toBe('hello\n')
  })

  it('loses an endpoint during its reset exchange closes that connection, and counts nothing against the next', async () => {
    const scope = testScope()
    const server = await startServer(scope, silent)
    const other = await startServer(scope, echo)
    const { gateway, port, config, endpoint, closed } = await start(scope, server.port, {
      ...RESET,
      reset: { ...TAGGED_RESET, timeout: '300ms' },
    })
    await leave(scope, port)
    await closed(1)
    await gateway.reload(config(RESET, { endpoints: [`${LOOPBACK}:${other.port}`] }))
    expect(await visit(scope, port)).toBe('hello\n')
    await eventually('it is closed', () => server.sockets.size === 0)
    expect(endpoint().active).toBe(0)
  })
})
