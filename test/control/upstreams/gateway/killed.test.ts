/** One of three servers, processes of their own, is killed under load, and comes back. */

import { connect } from 'node:net'
import { expect, it } from 'vitest'
import { eventually, testScope } from '../../../support/scope.js'
import { type RedisServer, startRedisServer } from '../../../support/servers/redis.js'
import { LOOPBACK } from '../../../support/sockets.js'
import { command, REDIS_RESET } from '../../../support/tagged-redis.js'
import { describeWith } from '../../../support/tools.js'
import type { UpstreamInput } from '../fake-engine.js'
import { PLANES, start, tally } from './start.js'

const LOOPS = 32
/** That come while it is dead. */
const CLIENTS = 600
const BACKOFF_MS = 500

interface Visit {
  readonly begunAt: number
  /** The port of the server that answered; else what happened. */
  readonly end: string
}

/** Connects, asks which server it is, and leaves when it knows. */
const visit = (port: number): Promise<Visit> =>
  new Promise((resolve) => {
    const begunAt = performance.now()
    const socket = connect({ port, host: LOOPBACK })
    let reply = ''
    let end: string | null = null
    socket.write(command('CONFIG', 'GET', 'port'))
    socket.on('data', (bytes) => {
      reply += String(bytes)
      const answer = /^\*2\r\n\$4\r\nport\r\n\$\d+\r\n(\d+)\r\n$/.exec(reply)
      if (answer === null) return
      end = answer[1] ?? ''
      socket.end()
    })
    socket.on('error', (error) => {
      end ??= error.message
    })
    socket.on('close', () => resolve({ begunAt, end: end ?? `closed after '${reply}'` }))
  })

/** Clients without pause, each on a connection of its own. */
const load = (port: number) => {
  const visits: Visit[] = []
  let isOver = false
  const loops = Array.from({ length: LOOPS }, async () => {
    while (!isOver) visits.push(await visit(port))
  })
  const since = (ms: number): readonly string[] =>
    visits.filter(({ begunAt }) => begunAt > ms).map(({ end }) => end)
  return {
    visits,
    since,
    stop: async () => {
      isOver = true
      await Promise.all(loops)
    },
  }
}

describeWith(['redis-server'], 'a server that is killed under load', () => {
  it.each<[string, UpstreamInput['pool']]>([
    ['off', { mode: 'off' }],
    ['prewarm', { mode: 'prewarm', min: 4 }],
    ['reuse', { mode: 'reuse', reset: REDIS_RESET, quiet: '1ms', min: 2 }],
  ])(
    'costs nobody who comes later anything, and gets clients again when it is back (pool: %s)',
    async (_, pool) => {
      const scope = testScope()
      const servers = await Promise.all(Array.from({ length: 3 }, () => startRedisServer(scope)))
      const [victim, ...others] = servers as [RedisServer, ...RedisServer[]]
      const addresses = servers.map((each) => `${LOOPBACK}:${each.port}`)
      const [address = ''] = addresses
      const { port, endpoint, records, line } = await start(
        {
          endpoints: addresses,
          passiveHealth: { backoff: BACKOFF_MS, maxBackoff: BACKOFF_MS },
          ...(pool === undefined ? {} : { pool }),
        },
        { scope },
      )
      const clients = load(port)
      scope.defer(clients.stop)
      const portsOf = (each: readonly RedisServer[]) => each.map((server) => String(server.port)).sort()
      await eventually('all three are in use', () => {
        const reached = Object.keys(tally(clients.since(0)))
        return clients.visits.length > 300 && reached.length === 3
      })
      expect(Object.keys(tally(clients.since(0))).sort()).toEqual(portsOf(servers))
      expect(endpoint(address).counts.failed).toBe(0)

      const began = performance.now()
      await victim.kill()
      const killedAt = performance.now()
      await eventually('the others carry on', () => clients.since(killedAt).length >= CLIENTS, 30_000)
      const { failed, refused } = endpoint(address).counts
      const lookedAt = performance.now()
      expect(Object.keys(tally(clients.since(killedAt))).sort()).toEqual(portsOf(others))
      // All clients of that moment may have been sent there together; afterwards, each time it is tried, few.
      const tries = Math.ceil((lookedAt - began) / BACKOFF_MS)
      // Those that it died on may have told enough.
      expect(failed + refused).toBeGreaterThan(0)
      expect(failed).toBeLessThanOrEqual(LOOPS + 8 * PLANES * tries)

      await victim.start()
      const backAt = performance.now()
      await eventually(
        'it gets clients again',
        () => clients.since(backAt).includes(String(victim.port)),
        30_000,
      )
      await eventually('it is as good as the others', () => endpoint(address).state === 'up')
      await clients.stop()
      expect(Object.keys(tally(clients.since(killedAt))).sort()).toEqual(portsOf(servers))
      // Nobody but those that were connected to it when it died, at most one per loop.
      const lost = clients.visits.filter(({ end }) => !portsOf(servers).includes(end))
      expect(lost.length).toBeLessThanOrEqual(LOOPS)
      for (const { begunAt } of lost) expect(begunAt).toBeLessThan(killedAt)
      await eventually('all are counted', () => records.length === clients.visits.length)
      for (const { attempts } of records) expect(attempts).toBeLessThanOrEqual(2)
      expect((await line('endpoint left out')).fields).toMatchObject({
        upstream: 'it',
        endpoint: address,
        state: 'ejected',
      })
      await line('endpoint back')
    },
    90_000,
  )
})
