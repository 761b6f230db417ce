/** Endpoints that die, refuse, hang, reset, or answer wrongly, and come back. */

import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { eventually, type Scope, testScope } from '../../../support/scope.js'
import { freePort, LOOPBACK } from '../../../support/sockets.js'
import { gone, greetingOf, PLANES, start, startService, tally } from './start.js'

/** More clients than there are threads that take turns: each endpoint in service gets one of them. */
const ROUND = 2 * PLANES

describe('an upstream that', () => {
  it('refuses is told in log, record and counters, and costs only its own clients', async () => {
    const scope = testScope()
    const dead = `${LOOPBACK}:${await freePort()}`
    const other = await startService(scope, 'other')
    const { client, endpoint, record, line } = await start(
      { endpoints: [dead] },
      {
        scope,
        top: {
          listeners: [
            { name: 'test', listen: `${LOOPBACK}:0`, upstream: 'it' },
            { name: 'well', listen: `${LOOPBACK}:0`, upstream: other.address },
          ],
          upstreams: { it: { endpoints: [dead] } },
        },
      },
    )
    expect((await client()).reached).toBe(null)
    const { reason, error } = await record(0)
    expect([reason, error?.message]).toEqual([
      'dial_failed',
      `cannot connect to ${dead}: connection refused (ECONNREFUSED)`,
    ])
    expect(endpoint(dead)).toMatchObject({ state: 'ejected', active: 0, counts: { connected: 0, failed: 1 } })
    expect((await line('endpoint left out')).level).toBe('warn')
    expect((await line('connection closed')).level).toBe('warn')
  })

  it('resets at once is left out when it has done so three times, and each of its clients knows', async () => {
    const scope = testScope()
    const rude = await startService(scope, 'rude', {
      onSocket: (socket) => void socket.once('data', () => socket.resetAndDestroy()),
    })
    const well = await startService(scope, 'well')
    const { attempt, endpoint, records, record, line, gateway } = await start(
      {
        endpoints: [rude.address, well.address],
        balance: 'first',
        passiveHealth: { backoff: '1h', maxBackoff: '1h' },
      },
      { scope },
    )
    const names: (string | null)[] = []
    for (let n = 0; n < 6; n++) {
      // Bytes get there only when it is connected: a reset before that is a dial that fails, and costs nobody anything.
      const socket = attempt()
      socket.write('hello')
      names.push(await greetingOf(socket))
      await gone(socket)
      await record(n)
    }
    expect(names).toEqual([null, null, null, 'well', 'well', 'well'])
    expect(records.filter(({ reason }) => reason === 'upstream_reset')).toHaveLength(3)
    expect(gateway.counters().listeners.test?.closed).toEqual({ upstream_reset: 3, client_fin: 3 })
    expect(endpoint(rude.address)).toMatchObject({ state: 'ejected', counts: { connected: 3, refused: 3 } })
    await line('it resets connections without a word')
  })

  it('hangs costs its clients their connect timeout, or nothing where there is another', async () => {
    const scope = testScope()
    // Nobody is there, and nobody says so (RFC 5737).
    const nowhere = '192.0.2.1:9'
    const well = await startService(scope, 'well')
    const { client, endpoint, record, reload } = await start(
      { endpoints: [nowhere] },
      { scope, top: { timeouts: { connect: '200ms' } } },
    )
    const { reached } = await client()
    expect(reached).toBe(null)
    const { reason, error } = await record(0)
    // A machine without a route says at once that there is none.
    expect(reason).toMatch(/^dial_(timeout|failed)$/)
    expect(error?.message).toContain(`cannot connect to ${nowhere}`)
    expect(endpoint(nowhere)).toMatchObject({ state: 'ejected', counts: { failed: 1 } })
    await reload({ endpoints: [nowhere, well.address], balance: 'first' })
    expect((await client()).reached).toBe('well')
  })
})

/** Greets clients with its name; what `asked` says of checks. */
const examined = async (scope: Scope, name: string) => {
  const state = { isWell: true }
  const onSocket = (socket: Socket): void => {
    socket.write(state.isWell ? `${name}\n` : 'what?\n')
    socket.pipe(socket)
  }
  return { state, service: await startService(scope, name, { onSocket }) }
}

describe('checks', () => {
  /** On a busy machine a good answer may take long; two that do are not expected. */
  const CHECK = { interval: '250ms', timeout: '250ms', fall: 2, rise: 1 }

  it('find an endpoint down by its answer, and up again; no client comes meanwhile', async () => {
    const scope = testScope()
    const [a, b] = [await examined(scope, 'a'), await examined(scope, 'b')]
    const { clients, endpoint, line, lines, client } = await start(
      {
        endpoints: [a.service.address, b.service.address],
        balance: 'first',
        check: { ...CHECK, send: '?', expect: 'a\n' },
        passiveHealth: { failures: 0 },
      },
      { scope },
    )
    // It says `b`, where `a` is expected.
    await eventually('b is down', () => endpoint(b.service.address).state === 'down')
    expect(tally(await clients(ROUND))).toEqual({ a: ROUND })
    const kept = await client()
    a.state.isWell = false
    await eventually('a is down', () => endpoint(a.service.address).state === 'down')
    expect((await line(`${a.service.address} answered "wh" where "a\\n"`)).fields).toMatchObject({
      state: 'down',
    })
    expect((await client()).reached).toBe(null)
    const none = await eventually('it is told', () =>
      lines.find(({ fields }) => fields.reason === 'no_endpoint'),
    )
    expect(none).toMatchObject({ level: 'warn', fields: { error: "no endpoint of 'it' is up (2 down)" } })
    kept.socket.write('still here\n')
    a.state.isWell = true
    await eventually('a is up', () => endpoint(a.service.address).state === 'up')
    await line('endpoint up')
    expect(tally(await clients(ROUND))).toEqual({ a: ROUND })
    expect(kept.socket.closed).toBe(false)
  })

  it('that find an endpoint down end its sessions where that is wished, with a reason of their own', async () => {
    const scope = testScope()
    const [a, b] = [await startService(scope, 'a'), await startService(scope, 'b')]
    const { client, record, records, endpoint, gateway } = await start(
      { endpoints: [a.address, b.address], balance: 'first', check: CHECK, onDown: 'cut' },
      { scope },
    )
    const both = await Promise.all(Array.from({ length: ROUND }, () => client()))
    expect(both.every(({ reached }) => reached === 'a')).toBe(true)
    // It accepts no more, while its connections go on.
    a.refuse()
    await record(ROUND - 1)
    for (const { reason, error } of records) {
      expect(reason).toBe('endpoint_down')
      expect(error?.message).toMatch(new RegExp(`^${a.address} is down: endpoint down: 2 failed checks`))
    }
    expect(gateway.counters().listeners.test?.closed).toEqual({ endpoint_down: ROUND })
    expect(endpoint(a.address)).toMatchObject({ state: 'down', active: 0 })
    const { reached, socket } = await client()
    expect(reached).toBe('b')
    await a.start()
    await eventually('a is up', () => endpoint(a.address).state === 'up')
    expect((await client()).reached).toBe('a')
    expect(socket.closed).toBe(false)
  })

  it('serve clients that wait as soon as an endpoint is up again', async () => {
    const scope = testScope()
    const [a, b] = [await startService(scope, 'a'), await startService(scope, 'b')]
    await b.stop()
    const { client, endpoint, status } = await start(
      {
        endpoints: [a.address, b.address],
        maxConnections: 1,
        queueTimeout: 0,
        check: CHECK,
      },
      { scope },
    )
    await eventually('b is down', () => endpoint(b.address).state === 'down')
    const first = await client()
    const waiting = client()
    await eventually('it waits', () => status().waiting === 1)
    await b.start()
    expect((await waiting).reached).toBe('b')
    await gone(first.socket)
  })

  it('keep what they know over a reload', async () => {
    const scope = testScope()
    const [a, b] = [await startService(scope, 'a'), await startService(scope, 'b')]
    await b.stop()
    const input = {
      endpoints: [a.address, b.address],
      check: { interval: '10s', timeout: '10s', fall: 1 },
      passiveHealth: { failures: 0 },
    }
    const { clients, endpoint, reload, records } = await start(input, { scope })
    await eventually('b is down', () => endpoint(b.address).state === 'down')
    await reload({ ...input, balance: 'least_conn' })
    expect(endpoint(b.address).state).toBe('down')
    expect(tally(await clients(ROUND))).toEqual({ a: ROUND })
    expect(records.every(({ attempts }) => attempts === 1)).toBe(true)
  })
})
