/** A gateway whose upstream is started on demand: by an activator of the test's own, so that it decides what happens when. */

import { describe, expect, it } from 'vitest'
import type { Gateway } from '../../../src/control/gateway.js'
import type { Activation, ActivationEvents, Activator } from '../../../src/ports/activator.js'
import { eventually, type Scope, testScope, within } from '../../support/scope.js'
import { gone, greetingOf, type Service, start, startService, tally } from '../upstreams/gateway/start.js'

/** Starts and stops a service of this process; what happens in between is the test's. */
class Stage implements Activator {
  readonly label = 'a service of the test'
  starts = 0
  stops = 0
  kills = 0
  running = 0
  most = 0
  /** It is ready as soon as it is started. */
  isPrompt = true
  /** It ends as soon as it is asked to. */
  isObedient = true
  /** To ask it anything is a mistake. */
  isThrowing = false
  closed = 0
  readonly service: Service
  #events: ActivationEvents | null = null

  constructor(service: Service) {
    this.service = service
  }

  start(events: ActivationEvents): Activation {
    this.starts++
    this.running++
    this.most = Math.max(this.most, this.running)
    this.#events = events
    if (this.isPrompt) void this.ready()
    return {
      pid: null,
      stop: () => {
        this.stops++
        if (this.isThrowing) throw new Error('not this way')
        if (this.isObedient) void this.end('ended as it was asked')
      },
      kill: () => {
        this.kills++
        void this.end('was killed')
      },
    }
  }

  close(): void {
    this.closed++
  }

  async ready(): Promise<void> {
    await this.service.start()
    this.#events?.ready()
  }

  async end(message: string, tail: readonly string[] = []): Promise<void> {
    const events = this.#events
    if (events === null) return
    this.#events = null
    await this.service.stop()
    this.running--
    events.ended({ message, code: 1, signal: null, tail })
  }
}

const stage = async (scope: Scope): Promise<Stage> => {
  const service = await startService(scope, 'woken')
  await service.stop()
  return new Stage(service)
}

const waitingIn = (gateway: Gateway): number =>
  gateway.connections().filter((each) => each.state === 'waking').length

const begin = async (wake: object = {}, more: object = {}) => {
  const scope = testScope()
  const play = await stage(scope)
  const gateway = await start(
    { endpoints: [play.service.address], ...more, wake: { idle: '200ms', ...wake } },
    { scope, activators: { it: play } },
  )
  const status = () => gateway.gateway.service('it').status()
  const state = (at: string) => eventually(`it is ${at}`, () => status().state === at)
  return { ...gateway, play, service: status, state }
}

describe('a service that is started on demand', () => {
  it('starts with the first client, which is served, and stops when nobody has been there for a while', async () => {
    const { client, play, service, state } = await begin()
    expect([service().state, play.starts]).toEqual(['closed', 0])
    const { socket, reached } = await client()
    expect(reached).toBe('woken')
    expect(service()).toMatchObject({ state: 'open', starts: 1, failures: 0, users: 1 })
    await gone(socket)
    await state('closed')
    expect([play.starts, play.stops, play.kills]).toEqual([1, 1, 0])
    expect((await client()).reached).toBe('woken')
    expect(play.starts).toBe(2)
  })

  it('is one, however many clients come while it starts, and all of them are served', async () => {
    const { attempt, play, gateway, state } = await begin()
    play.isPrompt = false
    const sockets = Array.from({ length: 300 }, () => attempt())
    const greetings = sockets.map(greetingOf)
    await state('starting')
    await eventually('all of them wait', () => {
      const states = gateway.connections().map((each) => each.state)
      return states.length === 300 && states.every((each) => each === 'waking')
    })
    expect(gateway.counters().upstreams.it?.waiting).toBe(300)
    await play.ready()
    expect(tally(await Promise.all(greetings))).toEqual({ woken: 300 })
    expect([play.starts, play.most]).toEqual([1, 1])
    expect(gateway.counters().upstreams.it?.waiting).toBe(0)
    await Promise.all(sockets.map(gone))
    await state('closed')
  })

  it('gets what a client sent meanwhile first and in order, and the client the whole answer', async () => {
    const { attempt, play, state, record } = await begin()
    play.isPrompt = false
    const socket = attempt()
    const sent = Array.from({ length: 100 }, (_, n) => `line ${n}\n`)
    for (const line of sent) socket.write(line)
    socket.end()
    let got = ''
    socket.on('data', (bytes) => {
      got += String(bytes)
    })
    await state('starting')
    await play.ready()
    expect((await record(0)).reason).toBe('client_fin')
    await eventually('it is all there', () => got === `woken\n${sent.join('')}`)
    expect((await record(0)).times.woke).toBeGreaterThan(0)
  })

  it('that fails to start tells all that wait at once, and starts anew for the next', async () => {
    const { attempt, client, play, state, records, line, gateway } = await begin()
    play.isPrompt = false
    const waiting = Array.from({ length: 5 }, () => greetingOf(attempt()))
    await state('starting')
    await eventually('they wait', () => waitingIn(gateway) === 5)
    await play.end('exited with code 1', ['no space left on device'])
    expect(tally(await Promise.all(waiting))).toEqual({ nobody: 5 })
    await eventually('five records', () => records.length === 5)
    expect(records.map(({ reason }) => reason)).toEqual(Array(5).fill('wake_failed'))
    expect(records[0]?.error?.message).toBe(
      "the service of 'it' did not start: it exited with code 1, and its last words were: no space left on device",
    )
    expect((await line('did not start')).level).toBe('warn')
    play.isPrompt = true
    expect((await client()).reached).toBe('woken')
  })

  it('that fails again and again is left alone for a while, until it is reset', async () => {
    const { client, play, service, gateway } = await begin()
    play.isPrompt = false
    for (let n = 1; n <= 4; n++) {
      const waiting = client()
      await eventually('it starts', () => play.running === 1)
      await play.end('exited with code 1')
      expect((await waiting).reached).toBe(null)
      if (n < 2) continue
      await eventually('it is left alone', () => service().state === 'failed')
      expect((await client()).reached).toBe(null)
      expect(play.running).toBe(0)
      if (n < 4) gateway.service('it').reset()
      if (n < 4) {
        // From the first failure on it is counted anew.
        expect(service().state).toBe('closed')
        const again = client()
        await eventually('it starts again', () => play.running === 1)
        await play.end('exited with code 1')
        await again
        expect(service().state).toBe('closed')
      }
    }
    expect(service().retryInMs).toBeGreaterThan(0)
    play.isPrompt = true
    await eventually('the time is over', () => service().state === 'closed')
    expect((await client()).reached).toBe('woken')
  })

  it('that dies closes its clients with that reason, and the next one starts it anew', async () => {
    const { client, play, records, state, gateway } = await begin()
    const { socket } = await client()
    const other = await client()
    await eventually('both are linked', () => gateway.connections().every(({ state: at }) => at === 'linked'))
    await play.end('was killed by SIGSEGV')
    await eventually('both are closed', () => socket.closed || socket.readableEnded)
    socket.destroy()
    other.socket.destroy()
    await eventually('both records', () => records.length === 2)
    expect(records.map(({ reason }) => reason)).toEqual(['service_exited', 'service_exited'])
    expect(records[0]?.error?.message).toBe("the service of 'it' has ended: it was killed by SIGSEGV")
    await state('closed')
    expect((await client()).reached).toBe('woken')
    expect(play.starts).toBe(2)
  })

  it('that stops when a client comes is started again for it', async () => {
    const { client, play, state } = await begin()
    play.isObedient = false
    const first = await client()
    await gone(first.socket)
    await state('stopping')
    const second = client()
    await eventually('it waits', () => play.starts === 1 && play.stops === 1)
    await play.end('ended')
    expect((await second).reached).toBe('woken')
    expect([play.starts, play.most]).toEqual([2, 1])
  })

  it('that does not end when asked to is killed', async () => {
    const { client, play, state } = await begin({ stopTimeout: '50ms' })
    play.isObedient = false
    const { socket } = await client()
    await gone(socket)
    await state('closed')
    expect([play.stops, play.kills]).toEqual([1, 1])
  })

  it('that is late fails its clients at once', async () => {
    const { client, play, record, state } = await begin({ start: '100ms' })
    play.isPrompt = false
    expect((await client()).reached).toBe(null)
    const { reason, error } = await record(0)
    expect([reason, error?.message]).toEqual([
      'wake_failed',
      "the service of 'it' did not start: it was not ready within 100ms",
    ])
    await state('closed')
    expect(play.stops).toBe(1)
  })

  it('forgets a client that leaves while it starts', async () => {
    const { attempt, play, state, record, gateway } = await begin()
    play.isPrompt = false
    const socket = attempt()
    await state('starting')
    socket.resetAndDestroy()
    expect((await record(0)).reason).toBe('client_reset')
    expect(gateway.counters().upstreams.it?.waiting).toBe(0)
    await play.ready()
    await state('closed')
    expect(play.service.accepted).toBe(0)
  })

  it('holds no more clients than maxQueue', async () => {
    const { attempt, client, play, record, state, gateway } = await begin({}, { maxQueue: 2 })
    play.isPrompt = false
    const held = [greetingOf(attempt()), greetingOf(attempt())]
    await state('starting')
    await eventually('they wait', () => waitingIn(gateway) === 2)
    expect((await client()).reached).toBe(null)
    expect((await record(0)).reason).toBe('queue_full')
    await play.ready()
    expect(await Promise.all(held)).toEqual(['woken', 'woken'])
  })

  it('whose clients wait for places tells them, too, when it has died and does not start again', async () => {
    const { attempt, client, play, record, gateway } = await begin({}, { maxConnections: 1, queueTimeout: 0 })
    await client()
    const queued = [greetingOf(attempt()), greetingOf(attempt()), greetingOf(attempt())]
    const inState = (at: string) => gateway.connections().filter(({ state }) => state === at).length
    await eventually('they wait for a place', () => inState('queued') === 3)
    play.isPrompt = false
    await play.end('was killed')
    await eventually('they wait for the service', () => inState('waking') === 3 && play.starts === 2)
    await play.end('exited with code 1')
    expect(await Promise.all(queued)).toEqual([null, null, null])
    expect((await record(3)).reason).toBe('wake_failed')
  })

  it('that has died, which is not known yet, is started anew for whoever found nobody there', async () => {
    const { client, play, gateway } = await begin()
    let reached: string | null = null
    // Nobody can say when a machine gives the gateway its time.
    for (let tries = 0; tries < 5 && reached !== 'woken'; tries++) {
      await gone((await client()).socket)
      await play.service.stop()
      const coming = client()
      await eventually('it is doubted', () => waitingIn(gateway) === 1 || gateway.connections().length === 0)
      await play.end('was killed')
      reached = (await coming).reached
    }
    expect(reached).toBe('woken')
  })

  it('that refuses although it runs tells its clients, forgets them, and is stopped when it is idle', async () => {
    const { attempt, client, play, record, gateway, state } = await begin({}, { maxConnections: 1 })
    const { socket } = await client()
    const queued = greetingOf(attempt())
    const inState = (at: string) => gateway.connections().filter((each) => each.state === at).length
    await eventually('it waits for a place', () => inState('queued') === 1)
    await play.service.stop()
    socket.destroy()
    expect(await queued).toBe(null)
    await record(1)
    expect(gateway.counters().upstreams.it?.waiting).toBe(0)
    await state('closed')
    expect([play.stops, play.kills]).toEqual([1, 0])
  })

  it('goes on for whoever waits when a reload says that it is there anyway', async () => {
    const { attempt, play, reload, gateway } = await begin({ wakeOn: 'data', start: '10s' })
    const socket = attempt()
    const greeting = greetingOf(socket)
    await eventually('it waits', () => waitingIn(gateway) === 1)
    await play.service.start()
    await reload({ endpoints: [play.service.address] })
    socket.write('.')
    expect(await greeting).toBe('woken')
    expect(play.starts).toBe(0)
  })

  it('whose activator throws costs a line in the log, and not the gateway', async () => {
    const { client, play, state, line } = await begin({ stopTimeout: '50ms' })
    play.isThrowing = true
    await gone((await client()).socket)
    await state('closed')
    expect((await line('could not be asked to stop')).message).toContain('not this way')
    expect([play.stops, play.kills]).toEqual([1, 1])
  })

  it('is not waited for when the gateway is destroyed while it closes', async () => {
    const { client, play, gateway, state } = await begin()
    play.isObedient = false
    await gone((await client()).socket)
    const closing = gateway.close({ drainTimeoutMs: 60_000 })
    await state('stopping')
    await within(9000, 'the end', gateway.destroy())
    await closing
    expect(play.kills).toBe(1)
  })

  it('ends with the gateway', async () => {
    const { client, play, gateway } = await begin()
    await client()
    await gateway.destroy()
    expect([play.running, play.stops]).toEqual([0, 1])
    expect(gateway.service('it').status().state).toBe('over')
  })
})

describe('a service that is idle by bytes', () => {
  it('is stopped although somebody is connected, whose connection is closed first', async () => {
    const { client, play, record, state } = await begin({ idleBy: 'bytes' })
    const { socket } = await client()
    await eventually('it is closed', () => socket.readableEnded)
    socket.end()
    expect((await record(0)).reason).toBe('idle_timeout')
    await state('closed')
    expect(play.kills).toBe(0)
  })

  it('goes on while bytes move', async () => {
    const { client, play } = await begin({ idleBy: 'bytes', idle: '400ms' })
    const { socket } = await client()
    const until = Date.now() + 1500
    while (Date.now() < until) {
      socket.write('.')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    expect([play.starts, play.stops, socket.readableEnded]).toEqual([1, 0, false])
  })
})

describe('the guard of a service', () => {
  it('lets only those wake it that have sent something', async () => {
    const { attempt, client, play, record, service } = await begin({ wakeOn: 'data', start: '5s' })
    for (let n = 0; n < 20; n++) {
      const socket = attempt()
      await new Promise((resolve) => socket.once('connect', resolve))
      socket.destroy()
    }
    await record(19)
    expect([play.starts, service().state]).toEqual([0, 'closed'])
    const socket = attempt()
    socket.write('hello\n')
    let got = ''
    socket.on('data', (bytes) => {
      got += String(bytes)
    })
    await eventually('it is served', () => got === 'woken\nhello\n')
    expect((await client()).reached).toBe('woken')
  })

  it('lets only those wake it whose first bytes match, however they arrive', async () => {
    const { attempt, play, record } = await begin({ wakeOn: 'data', wakeMatch: ['GET ', 'hex:16 03'] })
    const stranger = attempt()
    stranger.write('SSH-2.0\r\n')
    expect((await record(0)).reason).toBe('denied')
    expect(play.starts).toBe(0)
    const socket = attempt()
    let got = ''
    socket.on('data', (bytes) => {
      got += String(bytes)
    })
    for (const byte of 'GET / HTTP/1.0\n') {
      socket.write(byte)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await eventually('it is served', () => got === 'woken\nGET / HTTP/1.0\n')
  })

  it('serves a silent client soon after somebody else has woken the service', async () => {
    const { attempt, play } = await begin({ wakeOn: 'data', start: '20s' })
    const silent = greetingOf(attempt())
    const talker = attempt()
    const other = greetingOf(talker)
    talker.write('hello\n')
    expect(await other).toBe('woken')
    expect(await within(10_000, 'a greeting', silent)).toBe('woken')
    expect(play.starts).toBe(1)
  })

  it('serves whom it would not let wake it while the service runs anyway', async () => {
    const { client, play, record } = await begin({ wakeFrom: ['127.0.0.2'] })
    expect((await client('127.0.0.1')).reached).toBe(null)
    expect([(await record(0)).reason, play.starts]).toEqual(['denied', 0])
    expect((await client('127.0.0.2')).reached).toBe('woken')
    expect((await client('127.0.0.1')).reached).toBe('woken')
  })
})

describe('a service behind a pool', () => {
  it('has spare connections only while it runs, and they do not keep it up', async () => {
    const { client, play, status, state } = await begin({}, { pool: { mode: 'prewarm', min: 2 } })
    const { socket } = await client()
    await eventually('two are ready', () => status().endpoints[0]?.idle === 2)
    await gone(socket)
    await state('closed')
    expect(status().endpoints[0]).toMatchObject({ idle: 0, active: 0, state: 'up' })
    expect([play.starts, play.stops]).toEqual([1, 1])
  })
})
