import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { descriptorsOf } from '../../support/proc.js'
import { eventually, type Scope, testScope, within } from '../../support/scope.js'
import { dial, LOOPBACK, startServer } from '../../support/sockets.js'
import { TAGGED_RESET } from '../../support/tagged.js'
import { type GatewayProcess, startGatewayProcess } from './gateway-process.js'

/** Through the command it is twenty (test/integration/alone/worker-failure.test.ts). */
const ROUNDS = 8
const CLIENTS = 12

const start = async (scope: Scope, workers: number) => {
  const echo = await startServer(scope, (socket) => socket.pipe(socket))
  const gateway = startGatewayProcess(scope, {
    engine: 'linux',
    workers,
    listeners: [{ name: 'test', listen: `${LOOPBACK}:0`, upstream: `${LOOPBACK}:${echo.port}` }],
  })
  const started = await gateway.started
  if (started.type !== 'listening') throw new Error(started.message)
  return { gateway, port: started.port }
}

/** A client that says one thing after the other, each when the one before has come back. */
class Talker {
  readonly socket: Socket
  readonly port: number
  answers = 0
  isClosed = false

  constructor(socket: Socket) {
    this.socket = socket
    this.port = socket.localPort ?? 0
    socket.on('data', () => {
      this.answers++
      socket.write('x')
    })
    socket.on('close', () => {
      this.isClosed = true
    })
    socket.on('end', () => socket.destroy())
    socket.write('x')
  }

  async talks(): Promise<void> {
    const before = this.answers
    await eventually('an answer', () => this.answers > before)
  }
}

const talker = async (scope: Scope, port: number): Promise<Talker> => {
  const it = new Talker(await dial(scope, port))
  await it.talks()
  return it
}

/** A client that says something when it is told to. */
const client = async (scope: Scope, port: number) => {
  const socket = await dial(scope, port)
  let answers = 0
  let isClosed = false
  socket.on('data', () => answers++)
  socket.on('end', () => socket.destroy())
  socket.on('close', () => {
    isClosed = true
  })
  const asks = async (): Promise<void> => {
    const before = answers
    socket.write('x')
    await eventually('an answer', () => answers > before)
  }
  await asks()
  return {
    socket,
    asks,
    get isClosed() {
      return isClosed
    },
  }
}

/** Those that stay, one more for each that has gone, all of them talking. */
const replaced = async (scope: Scope, port: number, talkers: readonly Talker[]): Promise<Talker[]> => {
  const staying = talkers.filter(({ isClosed }) => !isClosed)
  const added = Array.from({ length: CLIENTS - staying.length }, () => talker(scope, port))
  return [...staying, ...(await Promise.all(added))]
}

const failedOnes = (gateway: GatewayProcess) => gateway.closed.filter(({ reason }) => reason === 'error')

/** How often a worker of this number has come back. */
const comebacks = ({ log }: GatewayProcess, plane: number): number =>
  log.filter(({ text, fields }) => text === 'a new worker serves' && fields.worker === plane).length

describe('a worker that fails', () => {
  it(`under load, ${ROUNDS} times, costs its own connections alone and is replaced`, async () => {
    const scope = testScope()
    const { gateway, port } = await start(scope, 2)
    let talkers = await replaced(scope, port, [])
    const descriptors = (): number => descriptorsOf(gateway.child.pid ?? 0)
    const before = descriptors()
    for (let round = 0; round < ROUNDS; round++) {
      const plane = 1 + (round % 2)
      const failed = failedOnes(gateway).length
      const rest = new Set(talkers)
      const came = comebacks(gateway, plane)
      gateway.fail(plane)
      await eventually('the next worker', () => comebacks(gateway, plane) > came)
      // Theirs are closed, and told; how many there were, the kernel's share of them decides.
      const lost = new Set(
        failedOnes(gateway)
          .slice(failed)
          .map((told) => told.port),
      )
      await eventually(
        'its clients to see a close',
        () => talkers.every(({ port: own, isClosed }) => !lost.has(own) || isClosed),
        1000,
      )
      for (const each of rest) if (lost.has(each.port)) rest.delete(each)
      await Promise.all(Array.from(rest, (each) => each.talks()))
      expect(Array.from(rest, ({ isClosed }) => isClosed)).not.toContain(true)

      talkers = await replaced(scope, port, talkers)
      const { counters, connections } = await eventually('the counters to add up', async () => {
        const look = await gateway.look()
        return look.counters.test?.active === CLIENTS && look.connections.length === CLIENTS && look
      })
      expect(new Set(connections.map((each) => each.port))).toEqual(new Set(talkers.map((each) => each.port)))
      const { accepted = 0, closed = {} } = counters.test ?? {}
      expect(accepted - (closed.error ?? 0)).toBe(CLIENTS)
    }
    // Every worker has had its clients now and then, or nothing was shown.
    expect(failedOnes(gateway).length).toBeGreaterThan(ROUNDS / 2)
    expect(new Set(failedOnes(gateway).map(({ error }) => error))).toEqual(
      new Set(['its worker failed: made to fail']),
    )
    await eventually('no more descriptors than at first', () => descriptors() <= before)
    gateway.close()
    for (const { socket } of talkers) socket.destroy()
    expect(await within(10_000, 'the process to end', gateway.exited)).toBe(0)
  }, 120_000)

  it('gives its upstream connections’ places to those who wait for one, and its own place in the queue back', async () => {
    const scope = testScope()
    const echo = await startServer(scope, (socket) => socket.pipe(socket))
    const gateway = startGatewayProcess(scope, {
      engine: 'linux',
      workers: 2,
      listeners: [{ name: 'test', listen: `${LOOPBACK}:0`, upstream: 'it' }],
      upstreams: { it: { endpoints: [`${LOOPBACK}:${echo.port}`], maxConnections: 4, queueTimeout: 0 } },
    })
    const started = await gateway.started
    if (started.type !== 'listening') throw new Error(started.message)
    const figures = async () => {
      const { counters, upstreams } = await gateway.look()
      const [endpoint] = upstreams.it?.endpoints ?? []
      return {
        open: counters.test?.active ?? 0,
        active: endpoint?.active,
        waiting: upstreams.it?.waiting,
      }
    }
    for (const plane of [1, 2, 1]) {
      // Until both workers have some that are served or wait: which one accepts is the kernel's choice.
      const sockets = await Promise.all(Array.from({ length: 16 }, () => dial(scope, started.port)))
      for (const socket of sockets) socket.on('end', () => socket.destroy())
      await eventually('all are there', async () => {
        const { open, active, waiting } = await figures()
        return open === 16 && active === 4 && waiting === 12
      })
      const came = comebacks(gateway, plane)
      gateway.fail(plane)
      await eventually('the next worker', () => comebacks(gateway, plane) > came)
      await eventually('the places are taken by those who are left', async () => {
        const { open, active, waiting } = await figures()
        return active === Math.min(4, open) && waiting === Math.max(0, open - 4)
      })
      for (const socket of sockets) socket.destroy()
      await eventually('nothing is left', async () => {
        const { open, active, waiting } = await figures()
        return open === 0 && active === 0 && waiting === 0
      })
    }
  }, 60_000)

  it('gives back what its pool has in use, idle, or is proving clean; the others go on, and the next one is warm', async () => {
    const scope = testScope()
    let isMute = false
    const server = await startServer(scope, (socket) => {
      socket.on('data', (bytes) => {
        const isReset = String(bytes).startsWith('RESET')
        if (!isReset || !isMute) socket.write(bytes)
      })
      socket.on('end', () => socket.end())
    })
    const [min, cap] = [4, 16]
    const reset = { ...TAGGED_RESET, timeout: '1m' }
    const gateway = startGatewayProcess(scope, {
      engine: 'linux',
      workers: 2,
      listeners: [{ name: 'test', listen: `${LOOPBACK}:0`, upstream: 'it' }],
      upstreams: {
        it: {
          endpoints: [`${LOOPBACK}:${server.port}`],
          maxConnections: cap,
          queueTimeout: 0,
          pool: { mode: 'reuse', reset, quiet: '1ms', min, max: cap },
        },
      },
    })
    const started = await gateway.started
    if (started.type !== 'listening') throw new Error(started.message)
    const figures = async () => {
      const { upstreams } = await gateway.look()
      const [endpoint] = upstreams.it?.endpoints ?? []
      return { active: endpoint?.active ?? -1, idle: endpoint?.idle ?? -1, waiting: upstreams.it?.waiting }
    }
    /** So many serve, the others wait in the pool, and the server has these and no more. */
    const figuresAre = (
      what: string,
      expected: (idle: number, active: number) => boolean,
    ): Promise<unknown> =>
      eventually(what, async () => {
        const { active, idle } = await figures()
        return expected(idle, active) && server.sockets.size === active + idle
      })
    const clients = (count: number) =>
      Promise.all(Array.from({ length: count }, () => client(scope, started.port)))
    const descriptors = (): number => descriptorsOf(gateway.child.pid ?? 0)
    await figuresAre('warm pools', (idle, active) => idle === min && active === 0)
    const before = descriptors()
    let lost = 0
    for (const order of [
      [1, 2],
      [2, 1],
    ]) {
      const [leaving, proven, staying] = [await clients(3), await clients(3), await clients(6)]
      for (const { socket } of leaving) socket.end()
      await figuresAre('some are idle again', (idle, active) => idle >= min && active === 9)
      isMute = true
      for (const { socket } of proven) socket.end()
      await eventually('some are being proven', async () => {
        const { active, idle } = await figures()
        return active === staying.length && server.sockets.size === active + idle + proven.length
      })
      for (const plane of order) {
        const came = comebacks(gateway, plane)
        const were = staying.filter(({ isClosed }) => !isClosed).length
        gateway.fail(plane)
        await eventually('the next worker', () => comebacks(gateway, plane) > came)
        await eventually('only those of the other are served', async () => {
          const open = staying.filter(({ isClosed }) => !isClosed)
          return (await figures()).active === open.length
        })
        const open = staying.filter(({ isClosed }) => !isClosed)
        lost += were - open.length
        await Promise.all(open.map((each) => each.asks()))
      }
      isMute = false
      // Each worker has failed once: nothing is left of what they had, and the pools of the next ones are warm.
      expect(staying.every(({ isClosed }) => isClosed)).toBe(true)
      await figuresAre('warm pools', (idle, active) => idle === min && active === 0)
      await eventually('no more descriptors than at first', () => descriptors() <= before)

      // No place is lost, and none is there twice.
      const all = Array.from({ length: cap + 3 }, () => dial(scope, started.port))
      const sockets = await Promise.all(all)
      await eventually('as many as there are places, and no more', async () => {
        const { active, waiting } = await figures()
        return active === cap && waiting === 3 && server.sockets.size === cap
      })
      for (const socket of sockets) socket.end()
      await figuresAre('all are idle', (idle, active) => idle >= min && active === 0)
    }
    expect(lost).toBe(12)
    expect(gateway.closed.filter(({ error }) => error !== null && !error.includes('made to fail'))).toEqual(
      [],
    )
  }, 60_000)

  it('does not reset those that wait in the kernel for a worker', async () => {
    const scope = testScope()
    const { gateway, port } = await start(scope, 1)
    for (const how of ['throw', 'exit', 'throw', 'exit', 'throw'] as const) {
      const open = await talker(scope, port)
      gateway.fail(1, how)
      await eventually('its client to see a close', () => open.isClosed)
      // Some of these come before the next worker is there.
      const waiting = await Promise.all(Array.from({ length: 8 }, () => talker(scope, port)))
      for (const { socket } of waiting) socket.destroy()
    }
  }, 60_000)

  it('again and again says so once, goes on trying, and serves when it can', async () => {
    const scope = testScope()
    const { gateway, port } = await start(scope, 1)
    for (let death = 1; death <= 5; death++) {
      gateway.fail(1)
      await eventually('the next worker', () => comebacks(gateway, 1) === death)
    }
    const told = gateway.log.filter(({ level }) => level === 'error').map(({ text }) => text)
    expect(told).toEqual([
      'a worker failed, another takes its place',
      'a worker failed, another takes its place',
      'workers fail again and again: another is started every time, at most every 1000 ms',
    ])
    await talker(scope, port)
  }, 60_000)
})

describe('a worker that cannot start', () => {
  it('is why the gateway does not start, with one clear error, and nothing is left open', async () => {
    const scope = testScope()
    const listen = `${LOOPBACK}:0`
    const gateway = startGatewayProcess(
      scope,
      { engine: 'linux', workers: 2, listeners: [{ listen, upstream: `${LOOPBACK}:1` }] },
      { FAIL_AT_START: '1' },
    )
    expect(await gateway.started).toEqual({
      type: 'failed',
      code: 'worker_failed',
      message: 'worker 1 did not start: made to fail at its start',
    })
    expect(gateway.log).toEqual([])
    expect(await within(10_000, 'the process to end', gateway.exited)).toBe(0)
  })
})
