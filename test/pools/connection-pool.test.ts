import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { ConnectionPool } from '../../src/pools/connection-pool.js'
import { tcpDialer } from '../../src/pools/dialers.js'
import type { ConnectionPoolOptions } from '../../src/pools/options.js'
import { ResourcePool } from '../../src/pools/resource-pool.js'
import { eventually, testScope, within } from '../support/scope.js'
import { freePort, LOOPBACK, startServer } from '../support/sockets.js'

const echo = (socket: Socket): void => void socket.pipe(socket)

const setup = async (
  options: Partial<ConnectionPoolOptions<Socket>> = {},
  onSocket: (socket: Socket) => void = echo,
) => {
  const scope = testScope()
  const server = await startServer(scope, onSocket)
  const pool = new ConnectionPool({ address: `${LOOPBACK}:${server.port}`, ...options })
  scope.defer(() => pool.destroy())
  const isIdle = (count: number) => eventually(`${count} idle`, () => pool.counters().idle === count)
  return { scope, server, pool, isIdle }
}

/** What comes back of `text`, all of it. */
const ask = async (socket: Duplex, text: string): Promise<string> => {
  let answer = ''
  const onData = (chunk: Buffer): void => {
    answer += chunk
    if (answer.length >= text.length) socket.emit('answered')
  }
  socket.on('data', onData)
  socket.write(text)
  await within(10_000, `the answer to ${text}`, once(socket, 'answered'))
  return answer
}

describe('a connection pool', () => {
  it('uses one connection again and again, and closes it when it is drained', async () => {
    const { pool, server } = await setup()
    for (let i = 0; i < 50; i++) {
      await using conn = await pool.acquire()
      expect(conn.uses).toBe(i + 1)
      expect(await ask(conn.socket, `hello ${i}`)).toBe(`hello ${i}`)
    }
    expect(pool.counters()).toMatchObject({ created: 1, taken: 50, reused: 49, idle: 1, inUse: 0 })
    await pool.drain()
    await pool.drain()
    await eventually('the server to see it', () => server.sockets.size === 0)
    await expect(pool.acquire()).rejects.toMatchObject({ code: 'pool_closed' })
  })

  it('hands over a stream as new, however its last user has left it', async () => {
    const { pool } = await setup({ max: 1 })
    const users: ((socket: Socket) => unknown)[] = [
      (socket) => socket.pause(),
      (socket) => socket.on('readable', () => {}).on('timeout', () => {}),
      (socket) => socket.setTimeout(60_000, () => {}),
      (socket) => socket.once('data', () => {}).once('close', () => {}),
      (socket) => socket.resume(),
    ]
    const { socket } = await pool.acquire().then((conn) => {
      conn.release()
      return conn
    })
    const before = socket.eventNames().map((name) => [name, socket.listenerCount(name)])
    for (const leave of users) {
      const conn = await pool.acquire()
      expect(conn.socket).toBe(socket)
      expect(await ask(conn.socket, 'hello')).toBe('hello')
      leave(conn.socket)
      conn.release()
    }
    await using conn = await pool.acquire()
    expect(conn.socket).toBe(socket)
    await eventually('only its own listeners', () => {
      const now = socket.eventNames().map((name) => [name, socket.listenerCount(name)])
      return now.flat().length <= before.flat().length
    })
    expect(await ask(conn.socket, 'still there')).toBe('still there')
  })

  it('hands a connection straight to the next that waits, as new', async () => {
    const { pool } = await setup({ max: 1 })
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) => pool.use((socket) => ask(socket, `number ${i}`))),
    )
    expect(answers).toEqual(Array.from({ length: 200 }, (_, i) => `number ${i}`))
    expect(pool.counters().created).toBe(1)
  })

  it('takes off what a user has put on a socket, and leaves what a connected listener has', async () => {
    const { pool } = await setup()
    const heard: string[] = []
    pool.on('connected', (socket) => socket.on('data', () => heard.push('connected')))
    for (const name of ['first', 'second']) {
      await pool.use((socket) => {
        socket.on('data', () => heard.push(name))
        return ask(socket, 'hello')
      })
    }
    expect(heard).toEqual(['connected', 'first', 'connected', 'second'])
    await pool.destroy()
  })

  it('survives a listener that throws', async () => {
    const { pool } = await setup()
    const warning = once(process, 'warning')
    pool.on('connected', () => {
      throw new Error('mine')
    })
    expect(await pool.use((socket) => ask(socket, 'hello'))).toBe('hello')
    expect(String(await warning)).toMatch(
      /TidegateWarning: a listener for 'connected' of the pool of \S+ threw: mine/,
    )
  })

  it('does not keep one with unread bytes, one whose user failed, nor one that was given an encoding', async () => {
    const { pool } = await setup()
    const unread = await pool.acquire()
    unread.socket.write('hello')
    await once(unread.socket, 'readable')
    unread.release()
    expect(unread.socket.destroyed).toBe(true)
    await expect(
      pool.use(() => {
        throw new Error('mine')
      }),
    ).rejects.toThrow('mine')
    const coded = await pool.acquire()
    coded.socket.setEncoding('utf8')
    coded.release()
    expect(pool.counters()).toMatchObject({ created: 3, idle: 0, inUse: 0 })
  })

  it('discards an idle connection on which an answer arrives late', async () => {
    const { pool } = await setup({}, (socket) =>
      socket.on('data', () => setTimeout(() => socket.write('late'), 20)),
    )
    const conn = await pool.acquire()
    conn.socket.write('x')
    conn.release()
    expect(pool.counters().idle).toBe(1)
    await eventually('the late answer', () => pool.counters().discarded === 1)
    expect(conn.socket.destroyed).toBe(true)
  })

  it('refuses misuse of a lease, and forgives its block', async () => {
    const { pool } = await setup()
    const misuse = expect.objectContaining({ code: 'misuse' })
    {
      await using conn = await pool.acquire()
      conn.release()
      expect(() => conn.release()).toThrow(misuse)
      expect(() => conn.destroy()).toThrow(misuse)
    }
    {
      await using conn = await pool.acquire()
      conn.destroy()
    }
    expect(pool.counters()).toMatchObject({ idle: 0, inUse: 0, created: 1 })
  })

  it('keeps min really warm, and tops it up when some are taken or die', async () => {
    const { pool, server, isIdle } = await setup({ min: 3 })
    await isIdle(3)
    await eventually('the server to see them', () => server.sockets.size === 3)
    const conn = await pool.acquire()
    await isIdle(3)
    expect(pool.counters()).toMatchObject({ created: 4, inUse: 1 })
    conn.release()
    for (const socket of server.sockets) socket.destroy()
    await eventually(
      'all to be replaced',
      () => pool.counters().discarded === 4 && pool.counters().idle === 3,
    )
  })

  it('tells what it does', async () => {
    const { pool } = await setup({ maxUses: 1 })
    const told: string[] = []
    pool.on('connected', () => told.push('connected'))
    pool.on('acquired', () => told.push('acquired'))
    pool.on('released', () => told.push('released'))
    pool.on('closed', (_, cause) => told.push(`closed: ${cause}`))
    ;(await pool.acquire()).release()
    await eventually('all events', () => told.length === 4)
    expect(told).toEqual(['connected', 'acquired', 'released', 'closed: expired'])
  })

  it.each([
    [{ min: 11 }, 'min: 11 is over max, which is 10'],
    [{ maxAgeMs: -1 }, 'maxAgeMs: -1 is not a whole number from 0 on'],
    [{ acquireTimeoutMs: 1.5 }, 'acquireTimeoutMs: 1.5 is not a whole number from 0 on'],
    [{ maxx: 5 }, "unknown option 'maxx' (expected address, dial, slots, clock, min, max, "],
  ])('refuses %o', (options, message) => {
    expect(() => new ConnectionPool({ address: ':1', ...options })).toThrow(
      expect.objectContaining({ code: 'value_invalid', message: expect.stringContaining(message) }),
    )
  })

  it('refuses what is not an address', () => {
    expect(() => new ConnectionPool({ address: 'redis' })).toThrow(
      expect.objectContaining({ code: 'address_invalid' }),
    )
  })

  it('takes new limits while it runs, and none that contradict each other', async () => {
    const { pool, isIdle } = await setup()
    pool.setOptions({ min: 2 })
    await isIdle(2)
    expect(() => pool.setOptions({ max: 1 })).toThrow(expect.objectContaining({ code: 'value_invalid' }))
    pool.setOptions({ max: 1, min: 0 })
    expect(pool.counters().idle).toBe(1)
    expect(pool.evictIdle(5)).toBe(1)
  })

  it('connects to a unix socket, and by a dialer of the user', async () => {
    const scope = testScope()
    const path = `${scope.tempDir()}/socket`
    const server = createServer(echo).listen(path)
    await once(server, 'listening')
    scope.defer(() => server.close())
    const pool = new ConnectionPool({ address: `unix:${path}` })
    scope.defer(() => pool.destroy())
    expect(await pool.use((socket) => ask(socket, 'hello'))).toBe('hello')
    const own = new ConnectionPool<Duplex>({
      address: 'loop:1',
      dial: async () =>
        new Duplex({
          read() {},
          write(chunk, _, done) {
            this.push(chunk)
            done()
          },
        }),
    })
    for (let i = 0; i < 3; i++) expect(await own.use((socket) => ask(socket, 'mine'))).toBe('mine')
    expect(own.counters()).toMatchObject({ created: 1, reused: 2 })
    await own.destroy()
  })
})

describe('an upstream in trouble', () => {
  it('that closes or resets idle connections is not noticed by who acquires, a thousand times', async () => {
    const { pool, server, isIdle } = await setup({ max: 3 })
    for (let i = 0; i < 1000; i++) {
      const conn = await pool.acquire()
      expect(await ask(conn.socket, 'hello')).toBe('hello')
      conn.release()
      for (const socket of server.sockets) {
        if (i % 3 === 0) socket.resetAndDestroy()
        // Node sends a FIN later; the other two are in the kernel when the call returns.
        else if (i % 3 === 1) await new Promise<void>((resolve) => socket.end(resolve))
        else socket.destroy()
      }
      // With every other one the end has arrived in the kernel only.
      if (i % 2 === 0) while (pool.counters().idle > 0) await nextTurn()
    }
    await isIdle(0)
    expect(pool.counters()).toMatchObject({ created: 1000, discarded: 1000 })
  })

  it('that refuses tells each who acquires at once, and is dialled ahead with pauses only', async () => {
    const port = await freePort()
    const failures: string[] = []
    const pool = new ConnectionPool({ address: `${LOOPBACK}:${port}`, min: 2, max: 5 })
    pool.on('dialFailed', ({ code }) => failures.push(code))
    for (let i = 0; i < 3; i++)
      await expect(pool.acquire()).rejects.toMatchObject({ code: 'connection_refused', retryable: true })
    await eventually('all dials to end', () => pool.counters().dialling === 0)
    expect(failures.length).toBeLessThan(10)
    await eventually('all to be told', () => pool.counters().dialFailures === failures.length)
    await pool.destroy()
  })

  it('that never answers is given up after the connect timeout, and the dialer is told', async () => {
    const scope = testScope()
    let aborted = 0
    const pool = new ConnectionPool({
      address: ':1',
      connectTimeoutMs: 30,
      dial: ({ signal }) =>
        new Promise<Socket>(() => {
          signal.addEventListener('abort', () => aborted++)
        }),
    })
    scope.defer(() => pool.destroy())
    await expect(pool.acquire()).rejects.toMatchObject({
      code: 'dial_timeout',
      message: 'cannot connect to :1: no answer within 30 ms',
    })
    expect(aborted).toBe(1)
    expect(pool.counters()).toMatchObject({ dialling: 0, waiting: 0, dialFailures: 1 })
  })

  it('that answers a dialer too late has its connection closed', async () => {
    const { pool, server } = await setup({
      connectTimeoutMs: 20,
      dial: async (context) => {
        await once(context.signal, 'abort')
        return tcpDialer()({ ...context, signal: new AbortController().signal })
      },
    })
    await expect(pool.acquire()).rejects.toMatchObject({ code: 'dial_timeout' })
    await eventually('it to come and go', () => server.sockets.size === 0)
    expect(pool.counters()).toMatchObject({ idle: 0, created: 0 })
  })

  it('makes what a dialer throws a dial_failed with its cause', async () => {
    const cause = new Error('no such luck')
    const pool = new ConnectionPool({
      address: 'a:1',
      dial: () => {
        throw cause
      },
    })
    await expect(pool.acquire()).rejects.toMatchObject({
      code: 'dial_failed',
      message: 'cannot connect to a:1: no such luck',
      cause,
    })
    await pool.destroy()
  })
})

describe('a crowd', () => {
  it('of 500 never has more than 10 connections, and each is served or refused by its deadline', async () => {
    const { pool, server } = await setup({ max: 10, acquireTimeoutMs: 0 })
    let peak = 0
    const outcomes = await Promise.all(
      Array.from({ length: 500 }, async (_, i) => {
        // Every fifth has a deadline that it cannot make, since all places are taken for longer.
        const timeoutMs = i % 5 === 4 ? 1 : 0
        try {
          await using conn = await pool.acquire({ timeoutMs })
          peak = Math.max(peak, server.sockets.size)
          return await ask(conn.socket, `number ${i}`)
        } catch (error) {
          return (error as { code: string }).code
        }
      }),
    )
    outcomes.forEach((outcome, i) => {
      if (i % 5 !== 4 || outcome !== 'acquire_timeout') expect(outcome).toBe(`number ${i}`)
    })
    expect(peak).toBeLessThanOrEqual(10)
    expect(pool.counters()).toMatchObject({ inUse: 0, waiting: 0, created: 10 })
    await pool.drain()
    await eventually('all to be closed', () => server.sockets.size === 0)
  })

  it('that is larger than may wait is refused at once', async () => {
    const { pool } = await setup({ max: 1, maxWaiting: 2 })
    const held = await pool.acquire()
    const waiting = [pool.acquire(), pool.acquire()]
    await expect(pool.acquire()).rejects.toMatchObject({ code: 'pool_full' })
    const drained = pool.drain()
    held.release()
    for (const one of waiting) (await one).release()
    await drained
  })
})

describe('pools that share slots', () => {
  const pair = async (max: number, options: Partial<ConnectionPoolOptions<Socket>> = {}) => {
    const slots = new ResourcePool({ max })
    const a = await setup({ slots, max: 0, ...options })
    const b = await setup({ slots, max: 0, ...options })
    const total = () => a.server.sockets.size + b.server.sockets.size
    return { slots, a, b, total }
  }

  it('never have more connections than slots, whoever asks', async () => {
    const { slots, a, b, total } = await pair(6)
    let peak = 0
    const work = async (pool: ConnectionPool, i: number): Promise<void> => {
      await pool.use(async (socket) => {
        peak = Math.max(peak, slots.metrics().inUse + slots.metrics().unused)
        expect(await ask(socket, `number ${i}`)).toBe(`number ${i}`)
      })
    }
    await Promise.all(Array.from({ length: 400 }, (_, i) => work(i % 3 === 0 ? a.pool : b.pool, i)))
    expect(peak).toBeLessThanOrEqual(6)
    expect(slots.metrics()).toMatchObject({ inUse: 0, waiting: 0, releasing: 0 })
    expect(a.pool.counters().idle + b.pool.counters().idle).toBe(slots.metrics().unused)
    await Promise.all([a.pool.drain(), b.pool.drain()])
    await eventually('all to be closed', () => total() === 0)
    expect(slots.metrics()).toMatchObject({ unused: 0, inUse: 0 })
  })

  it('give an idle connection up when another pool needs its slot', async () => {
    const { slots, a, b } = await pair(1)
    ;(await a.pool.acquire()).release()
    const conn = await b.pool.acquire()
    expect(a.pool.counters()).toMatchObject({ idle: 0, evicted: 1 })
    const waiting = a.pool.acquire()
    expect(slots.metrics()).toMatchObject({ inUse: 1, waiting: 1 })
    conn.release()
    ;(await waiting).release()
    expect(b.pool.counters()).toMatchObject({ idle: 0, evicted: 1 })
  })

  it('leave the queue for a slot when nobody needs it any more', async () => {
    const { slots, a, b } = await pair(1)
    const held = await a.pool.acquire()
    await expect(b.pool.acquire({ timeoutMs: 1 })).rejects.toMatchObject({ code: 'acquire_timeout' })
    expect(slots.metrics().waiting).toBe(0)
    const next = a.pool.acquire()
    expect(slots.metrics().waiting).toBe(1)
    held.release()
    ;(await next).release()
    expect(slots.metrics()).toMatchObject({ waiting: 0, unused: 1 })
    expect(a.pool.counters()).toMatchObject({ created: 1, evicted: 0, idle: 1 })
  })

  it('dial ahead into free slots only: min of one does not push out what is idle of the other', async () => {
    const { slots, a, b } = await pair(3, { min: 2 })
    await eventually('all slots', () => slots.metrics().unused === 3)
    expect(a.pool.counters().idle + b.pool.counters().idle).toBe(3)
    expect(a.pool.counters().evicted + b.pool.counters().evicted).toBe(0)
    expect(a.pool.counters().dialFailures + b.pool.counters().dialFailures).toBe(0)
  })

  it('do not starve one another: a busy one lets the other have a turn', async () => {
    const { a, b } = await pair(1)
    let isOver = false
    const busy = Promise.all(
      Array.from({ length: 3 }, async () => {
        while (!isOver) await a.pool.use((socket) => ask(socket, 'busy'))
      }),
    )
    await eventually('it to be busy', () => a.pool.counters().taken > 10)
    try {
      ;(await b.pool.acquire()).release()
    } finally {
      isOver = true
      await busy
    }
  })

  it('lose no slot to dials that fail or are given up', async () => {
    const slots = new ResourcePool({ max: 2 })
    const port = await freePort()
    const refused = new ConnectionPool({ address: `${LOOPBACK}:${port}`, slots, min: 1 })
    const silent = new ConnectionPool({
      address: ':1',
      slots,
      connectTimeoutMs: 10,
      dial: ({ signal }) =>
        new Promise<Socket>((_, no) => signal.addEventListener('abort', () => no(signal.reason))),
    })
    for (let i = 0; i < 20; i++) {
      await expect(refused.acquire()).rejects.toMatchObject({ code: 'connection_refused' })
      await expect(silent.acquire()).rejects.toMatchObject({ code: 'dial_timeout' })
    }
    await Promise.all([refused.destroy(), silent.destroy()])
    await eventually('no slot to be taken', () => slots.metrics().inUse === 0)
    expect(slots.metrics()).toMatchObject({ waiting: 0, unused: 0, releasing: 0 })
  })
})

describe('the end', () => {
  it('destroy closes what is in use, rejects who waits, and does not mind what is given back after it', async () => {
    const { pool, server } = await setup({ max: 1 })
    const conn = await pool.acquire()
    const waiting = pool.acquire()
    const destroyed = pool.destroy()
    await expect(waiting).rejects.toMatchObject({ code: 'pool_closed' })
    await destroyed
    conn.release()
    await pool.destroy()
    await eventually('the server to see it', () => server.sockets.size === 0)
  })

  it('drain waits for what is in use', async () => {
    const { pool } = await setup({ min: 2 })
    const conn = await pool.acquire()
    let isDrained = false
    const drained = pool.drain().then(() => {
      isDrained = true
    })
    expect(await ask(conn.socket, 'hello')).toBe('hello')
    expect(isDrained).toBe(false)
    conn.release()
    await drained
  })

  it('a socket error while nobody uses it is not unhandled, nor while somebody does', async () => {
    const { pool, server, isIdle } = await setup()
    const conn = await pool.acquire()
    // Not `once` of node:events, which listens for errors, too.
    const closed = new Promise<void>((resolve) => conn.socket.once('close', () => resolve()))
    await eventually('the server', () => server.sockets.size === 1)
    conn.socket.resume()
    for (const socket of server.sockets) socket.resetAndDestroy()
    await closed
    conn.release()
    await isIdle(0)
  })
})
