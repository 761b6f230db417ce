/**
 * Each trouble an upstream can have, as log, live list and counters show it, while clients of another upstream in the same
 * gateway are served.
 */

import type { Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import type { GatewayOptions } from '../../../../src/control/hooks.js'
import { eventually, type Scope, testScope, within } from '../../../support/scope.js'
import { dial, freePort, LOOPBACK } from '../../../support/sockets.js'
import type { UpstreamInput } from '../fake-engine.js'
import { gone, greetingOf, start, startService } from './start.js'

/** Beside the upstream in trouble there is one that is well. */
const startBeside = async (
  scope: Scope,
  it: UpstreamInput,
  { timeouts, ...options }: GatewayOptions & { timeouts?: { connect?: string; idle?: string } } = {},
) => {
  const well = await startService(scope, 'well')
  const started = await start(it, {
    scope,
    ...options,
    top: {
      listeners: [
        { name: 'test', listen: `${LOOPBACK}:0`, upstream: 'it' },
        { name: 'beside', listen: `${LOOPBACK}:0`, upstream: 'well' },
      ],
      upstreams: { it, well: { endpoints: [well.address] } },
      ...(timeouts === undefined ? {} : { timeouts }),
    },
  })
  const beside = started.gateway.listeners.find(({ name }) => name === 'beside')?.address
  if (beside?.kind !== 'tcp') throw new Error('it listens on TCP')
  const { port } = beside
  return {
    ...started,
    /** Of the upstream in trouble alone. */
    record: (n: number) =>
      eventually(
        `${n + 1} connections have ended`,
        () => started.records.filter(({ listener }) => listener === 'test')[n],
      ),
    othersAreServed: async (): Promise<void> => {
      const socket = await dial(scope, port)
      expect(await within(30_000, 'a greeting', greetingOf(socket))).toBe('well')
      await gone(socket)
      await eventually('it is off the list', () => live(started.gateway, 'beside').length === 0)
      expect(started.gateway.counters().upstreams.well?.endpoints[0]).toMatchObject({
        state: 'up',
        lastFailure: null,
      })
    },
  }
}

const live = (gateway: Awaited<ReturnType<typeof start>>['gateway'], listener = 'test') =>
  gateway.connections().filter((each) => each.listener === listener)

/** Its backlog is full, and nobody accepts: who connects gets no answer. */
const startDeaf = async (scope: Scope): Promise<string> => {
  const source = `
    const { createServer } = require('node:net')
    const { parentPort } = require('node:worker_threads')
    const server = createServer().listen({ port: 0, host: '${LOOPBACK}', backlog: 1 }, () => {
      parentPort.postMessage(server.address().port)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    })`
  const worker = new Worker(source, { eval: true })
  scope.defer(async () => void (await worker.terminate()))
  const port = await within<number>(
    10_000,
    'a listener',
    new Promise((resolve) => {
      worker.once('message', resolve)
    }),
  )
  // One more than the backlog are let in.
  for (let n = 0; n < 2; n++) await dial(scope, port)
  return `${LOOPBACK}:${port}`
}

describe('an upstream that', () => {
  it('refuses', async () => {
    const scope = testScope()
    const dead = `${LOOPBACK}:${await freePort()}`
    const { client, gateway, endpoint, line, record, othersAreServed } = await startBeside(scope, {
      endpoints: [dead],
    })
    expect((await client()).reached).toBe(null)
    await othersAreServed()
    expect((await record(0)).reason).toBe('dial_failed')
    expect((await line('endpoint left out')).fields).toMatchObject({ endpoint: dead, state: 'ejected' })
    expect(live(gateway)).toEqual([])
    expect(endpoint(dead)).toMatchObject({
      state: 'ejected',
      lastFailure: { code: 'ECONNREFUSED', ageMs: expect.any(Number) },
      counts: { failed: 1 },
    })
  })

  it.runIf(process.platform === 'linux')('hangs when it is connected to', async () => {
    const scope = testScope()
    const deaf = await startDeaf(scope)
    const { attempt, gateway, endpoint, line, record, othersAreServed } = await startBeside(
      scope,
      { endpoints: [deaf] },
      { timeouts: { connect: '1s' } },
    )
    attempt()
    const dialing = await eventually('the client is on the list', () =>
      live(gateway).find(({ state }) => state === 'dialing'),
    )
    expect(dialing).toMatchObject({ upstream: { host: LOOPBACK }, attempts: 1, lastFailure: null })
    expect(endpoint(deaf)).toMatchObject({ state: 'up', active: 1, lastFailure: null })
    await othersAreServed()
    expect((await record(0)).reason).toBe('dial_timeout')
    expect((await line('endpoint left out')).message).toContain('no answer within 1000 ms')
    expect(endpoint(deaf)).toMatchObject({
      state: 'ejected',
      active: 0,
      lastFailure: { code: 'dial_timeout' },
      counts: { failed: 1 },
    })
  })

  it.runIf(process.platform === 'linux')('refuses, while the next one hangs', async () => {
    const scope = testScope()
    const [dead, deaf] = [`${LOOPBACK}:${await freePort()}`, await startDeaf(scope)]
    const { attempt, gateway, record } = await startBeside(
      scope,
      { endpoints: [dead, deaf], balance: 'first' },
      { timeouts: { connect: '1s' } },
    )
    attempt()
    const dialing = await eventually('the second one is dialled', () =>
      live(gateway).find(({ attempts }) => attempts === 2),
    )
    expect(dialing).toMatchObject({ state: 'dialing', lastFailure: 'ECONNREFUSED' })
    expect(await record(0)).toMatchObject({ reason: 'dial_timeout', attempts: 2, times: { queued: null } })
  })

  it('is full', async () => {
    const scope = testScope()
    const small = await startService(scope, 'small')
    const { client, gateway, record, othersAreServed } = await startBeside(scope, {
      endpoints: [small.address],
      maxConnections: 1,
    })
    const first = await client()
    const second = client()
    const queued = await eventually('the second one waits', () =>
      live(gateway).find(({ state }) => state === 'queued'),
    )
    expect(queued).toMatchObject({ upstream: null, attempts: 0, lastFailure: null })
    await othersAreServed()
    await gone(first.socket)
    expect((await record(0)).times.queued).toBe(null)
    const { socket, reached } = await second
    expect(reached).toBe('small')
    await gone(socket)
    const { queued: waited, dialled } = (await record(1)).times
    expect(waited).toBeGreaterThan(0)
    expect(waited).toBeLessThanOrEqual(dialled ?? 0)
  })

  it('accepts and says nothing', async () => {
    const scope = testScope()
    const silent = await startService(scope, 'silent', { onSocket: (socket) => void socket.resume() })
    const { attempt, gateway, endpoint, record, othersAreServed } = await startBeside(
      scope,
      { endpoints: [silent.address] },
      { timeouts: { idle: '1s' } },
    )
    attempt().write('hello?')
    const asked = await eventually('the question is through', () =>
      live(gateway).find(({ bytes }) => bytes.upstream === 6),
    )
    expect(asked).toMatchObject({ state: 'linked', bytes: { downstream: 0 } })
    expect(endpoint(silent.address)).toMatchObject({ state: 'up', active: 1, counts: { connected: 1 } })
    await othersAreServed()
    expect(await record(0)).toMatchObject({ reason: 'idle_timeout', bytes: { upstream: 6, downstream: 0 } })
  })

  it('resets at once', async () => {
    const scope = testScope()
    const rude = await startService(scope, 'rude', {
      onSocket: (socket) => void socket.once('data', () => socket.resetAndDestroy()),
    })
    const { attempt, gateway, endpoint, line, record, othersAreServed } = await startBeside(scope, {
      endpoints: [rude.address],
      passiveHealth: { backoff: '1h', maxBackoff: '1h' },
    })
    for (let n = 0; n < 3; n++) {
      const socket = attempt()
      socket.write('hello')
      expect(await greetingOf(socket)).toBe(null)
      expect((await record(n)).reason).toBe('upstream_reset')
    }
    await othersAreServed()
    await line('it resets connections without a word')
    expect(live(gateway)).toEqual([])
    expect(endpoint(rude.address)).toMatchObject({
      state: 'ejected',
      lastFailure: { code: 'upstream_reset' },
      counts: { refused: 3 },
    })
  })

  it('answers a reset exchange wrongly', async () => {
    const scope = testScope()
    let answer = (): void => {}
    const onSocket = (socket: Socket): void => {
      socket.write('wrong\n')
      socket.once('data', () => {
        answer = () => void socket.write('NO\n')
      })
    }
    const wrong = await startService(scope, 'wrong', { onSocket })
    const { client, gateway, endpoint, line, record, othersAreServed } = await startBeside(scope, {
      endpoints: [wrong.address],
      pool: {
        mode: 'reuse',
        quiet: '5ms',
        reset: { send: 'ARE YOU CLEAN {nonce}\n', expect: 'YES {nonce}\n', timeout: '30s' },
      },
    })
    const { socket, reached } = await client()
    expect(reached).toBe('wrong')
    await gone(socket)
    await eventually('it is being proven', () => endpoint(wrong.address).resetting === 1)
    expect((await record(0)).reason).toBe('client_fin')
    expect(endpoint(wrong.address)).toMatchObject({ active: 0, idle: 0, lastFailure: null })
    expect(live(gateway)).toEqual([])
    await othersAreServed()
    await eventually('it is asked', () => {
      answer()
      return endpoint(wrong.address).counts.unclean === 1
    })
    expect((await line('not proven clean')).fields).toMatchObject({ state: 'unclean' })
    expect(endpoint(wrong.address)).toMatchObject({
      state: 'up',
      resetting: 0,
      idle: 0,
      lastFailure: { code: 'unclean' },
    })
    expect((await client()).reached).toBe('wrong')
  })

  it('vanishes from DNS', async () => {
    const scope = testScope()
    const named = await startService(scope, 'named')
    let isThere = true
    const lookup = async (): Promise<readonly string[]> => {
      if (isThere) return [LOOPBACK]
      throw new Error('no such name')
    }
    const { client, gateway, endpoint, line, status, othersAreServed } = await startBeside(
      scope,
      { endpoints: [`it.test:${named.port}`], resolveInterval: '20ms' },
      { lookup },
    )
    const { socket, reached } = await client()
    expect(reached).toBe('named')
    isThere = false
    expect((await line('the name is not found')).fields).toMatchObject({ upstream: 'it', host: 'it.test' })
    expect(status().unresolved).toEqual(['it.test'])
    expect(live(gateway)).toMatchObject([{ state: 'linked', upstream: { host: LOOPBACK } }])
    await othersAreServed()
    // Its last address goes on being used.
    expect((await client()).reached).toBe('named')
    expect(endpoint(named.address)).toMatchObject({ state: 'up', active: 2 })
    expect(socket.closed).toBe(false)
    isThere = true
    await line('the name is found again')
    expect(status().unresolved).toEqual([])
  })
})
