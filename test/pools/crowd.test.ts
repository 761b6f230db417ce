/** Far more users than a pool has connections: each gets one or an error, and in time. */

import { once } from 'node:events'
import { expect, it } from 'vitest'
import { TidegateError } from '../../src/errors.js'
import { ConnectionPool } from '../../src/pools/connection-pool.js'
import { testScope } from '../support/scope.js'
import { startSlowService } from '../support/slow-service.js'
import { LOOPBACK } from '../support/sockets.js'

const MAX = 10
const USERS = 500
const ACQUIRE_TIMEOUT_MS = 1500
const [LEAST_MS, MOST_MS] = [30, 130]
/** For a machine with more to do than this. */
const SLACK_MS = 5000

it(`with ten connections, ${USERS} users at once are all served or refused in time`, async () => {
  const scope = testScope()
  const limits = { seed: 8, leastMs: LEAST_MS, mostMs: MOST_MS, limit: MAX, ends: false }
  const service = await startSlowService(scope, limits)
  const pool = new ConnectionPool({
    address: `${LOOPBACK}:${service.port}`,
    max: MAX,
    acquireTimeoutMs: ACQUIRE_TIMEOUT_MS,
  })
  scope.defer(() => pool.destroy())
  const use = async (line: string): Promise<string> => {
    try {
      await using conn = await pool.acquire()
      conn.socket.write(line)
      const [reply]: unknown[] = await once(conn.socket, 'data')
      return String(reply) === line ? 'served' : `another's: ${String(reply)}`
    } catch (error) {
      return error instanceof TidegateError ? error.code : String(error)
    }
  }
  const outcomes = await Promise.all(
    Array.from({ length: USERS }, async (_, n) => {
      const begun = performance.now()
      const end = await use(`user ${n}\n`)
      return { end, ms: performance.now() - begun }
    }),
  )
  const timesOf = (end: string): readonly number[] =>
    outcomes.filter((outcome) => outcome.end === end).map(({ ms }) => ms)
  const [served, refused] = [timesOf('served'), timesOf('acquire_timeout')]
  expect(outcomes.filter(({ end }) => end !== 'served' && end !== 'acquire_timeout')).toEqual([])
  expect(served.length + refused.length).toBe(USERS)
  expect(Math.min(served.length, refused.length)).toBeGreaterThanOrEqual(MAX)
  expect(Math.max(...served)).toBeLessThan(ACQUIRE_TIMEOUT_MS + MOST_MS + SLACK_MS)
  expect(Math.max(...refused)).toBeLessThan(ACQUIRE_TIMEOUT_MS + SLACK_MS)
  expect(Math.min(...refused)).toBeGreaterThan(ACQUIRE_TIMEOUT_MS * 0.9)
  expect(service.answered).toBe(served.length)
  expect(service.mostAtOnce).toBeLessThanOrEqual(MAX)
  expect(service.mostOpen).toBeLessThanOrEqual(MAX)
  expect(service.mostOpen).toBeGreaterThan(0)
  expect(pool.counters()).toMatchObject({ waiting: 0, inUse: 0, idle: MAX })
}, 60_000)
