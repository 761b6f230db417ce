/** Far more clients than an upstream takes: each is served or refused, and in time. */

import { connect } from 'node:net'
import { expect, it } from 'vitest'
import { eventually, testScope, within } from '../../../support/scope.js'
import { startSlowService } from '../../../support/slow-service.js'
import { LOOPBACK } from '../../../support/sockets.js'
import type { UpstreamInput } from '../fake-engine.js'
import { start } from './start.js'

const CAP = 10
const CLIENTS = 500
const QUEUE_TIMEOUT_MS = 1500
/** Ten at a time, so that some of the 500 are served within the timeout, and never all. */
const [LEAST_MS, MOST_MS] = [30, 130]
/** For a machine with more to do than this. */
const SLACK_MS = 5000

interface Outcome {
  readonly end: 'served' | 'reset' | string
  readonly ms: number
}

/** From its connect to its reply, or until it is turned away. */
const play = (port: number, line: string): Promise<Outcome> =>
  new Promise((resolve) => {
    const begun = performance.now()
    const socket = connect({ port, host: LOOPBACK })
    const is = (end: string): void => {
      resolve({ end, ms: performance.now() - begun })
      socket.end()
    }
    let reply = ''
    socket.write(line)
    socket.on('data', (bytes) => {
      reply += String(bytes)
      if (reply.endsWith('\n')) is(reply === line ? 'served' : `another's: ${reply}`)
    })
    socket.on('error', (error: NodeJS.ErrnoException) =>
      is(error.code === 'ECONNRESET' ? 'reset' : error.message),
    )
    socket.on('close', () => is('closed without a word'))
  })

it.each<[string, boolean, UpstreamInput['pool']]>([
  ['off', true, { mode: 'off' }],
  ['prewarm', true, { mode: 'prewarm', min: 4 }],
  ['reuse', false, { mode: 'reuse', stateless: true, quiet: '1ms' }],
])(
  `with ten places and a pool that is %s, ${CLIENTS} clients are all served or refused in time`,
  async (_, ends, pool) => {
    const scope = testScope()
    const service = await startSlowService(scope, {
      seed: 7,
      leastMs: LEAST_MS,
      mostMs: MOST_MS,
      limit: CAP,
      ends,
    })
    const { port, gateway, records, endpoint, status } = await start(
      {
        endpoints: [`${LOOPBACK}:${service.port}`],
        maxConnections: CAP,
        queueTimeout: QUEUE_TIMEOUT_MS,
        ...(pool === undefined ? {} : { pool }),
      },
      { scope },
    )
    const outcomes = await within(
      60_000,
      'all clients to end',
      Promise.all(Array.from({ length: CLIENTS }, (_, n) => play(port, `client ${n}\n`))),
    )
    const served = outcomes.filter(({ end }) => end === 'served').length
    const refused = outcomes.filter(({ end }) => end === 'reset').length
    expect(outcomes.filter(({ end }) => end !== 'served' && end !== 'reset')).toEqual([])
    expect(served + refused).toBe(CLIENTS)
    expect(Math.min(served, refused)).toBeGreaterThanOrEqual(CAP)
    expect(service.answered).toBe(served)
    expect(service.mostAtOnce).toBeLessThanOrEqual(CAP)
    expect(service.mostOpen).toBeLessThanOrEqual(CAP)
    expect(service.mostOpen).toBeGreaterThan(1)
    const slowest = (end: string): number =>
      Math.max(...outcomes.filter((outcome) => outcome.end === end).map(({ ms }) => ms))
    expect(slowest('served')).toBeLessThan(QUEUE_TIMEOUT_MS + MOST_MS + SLACK_MS)
    expect(slowest('reset')).toBeLessThan(QUEUE_TIMEOUT_MS + SLACK_MS)
    const soonest = Math.min(...outcomes.filter(({ end }) => end === 'reset').map(({ ms }) => ms))
    expect(soonest, 'nobody is refused before its time').toBeGreaterThan(QUEUE_TIMEOUT_MS * 0.9)
    await eventually('all have ended', () => records.length === CLIENTS)
    const {
      queue_timeout,
      upstream_fin = 0,
      client_fin = 0,
      ...others
    } = gateway.counters().listeners.test?.closed ?? {}
    expect([queue_timeout, upstream_fin + client_fin, others]).toEqual([refused, served, {}])
    expect(status().waiting).toBe(0)
    await eventually('nobody is served', () => endpoint(`${LOOPBACK}:${service.port}`).active === 0)
    expect(endpoint(`${LOOPBACK}:${service.port}`).counts.failed).toBe(0)
  },
  90_000,
)
