/** Pools that are reused, at length: clients that leave at random moments, and not one byte of another's. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../support/payload.js'
import { openFilesOf, residentBytes } from '../support/proc.js'
import { eventually, type Scope, testScope } from '../support/scope.js'
import { startRedis } from '../support/servers/redis.js'
import { freePort, LOOPBACK, waitUntilAccepting } from '../support/sockets.js'
import {
  MOMENTS,
  type Moment,
  playAllTagged,
  playTagged,
  startTagged,
  TAGGED_RESET,
  type TaggedOutcome,
  type TaggedPlan,
  taggedPlan,
  WAYS,
  type Way,
  WELL_BEHAVED,
} from '../support/tagged.js'
import { askRedis, REDIS_RESET, redisPlan } from '../support/tagged-redis.js'
import { startTidegate } from '../support/tidegate.js'
import { describeWith } from '../support/tools.js'

/** Per service, through all gateways together. `npm run soak -- --pool` plays a million, and says so here. */
const CLIENTS = Number(process.env.SOAK_POOL_CLIENTS ?? 900)
const SEED = Number(process.env.SOAK_SEED ?? 1)

const GATEWAYS = { portable: ['portable', 0], 'linux-0': ['linux', 0], 'linux-2': ['linux', 2] } as const

/** Those that leave a connection which can be reused more often than others. */
const MOMENTS_OF_SOAK: readonly Moment[] = [...MOMENTS, 'after', 'after', 'after', 'during', 'before']
const WAYS_OF_SOAK: readonly Way[] = [...WAYS, 'close', 'close', 'end']

const AT_ONCE = 48
const MOST_IDLE = 32

/** What a worker opens for itself may come after the first client was served by another one. */
const LATE_SOCKETS = 4

/** In one go: then something is said, and the gateways are looked at. */
const CLIENTS_PER_ROUND = 10_000

/** Slower than the slowest machine. */
const CLIENTS_PER_MS = 0.1

/** Between two looks at it, memory that nobody uses any more may or may not have been collected. */
const MOST_GROWTH_BYTES = 64 * 1024 ** 2

interface Service {
  readonly name: string
  readonly port: number
  readonly pool: object
  plan(n: number): TaggedPlan
  /** Connections it has seen, and how often one was reset for another client. */
  figures(): Promise<{ readonly connections: number; readonly resets: number }>
  /** Connections it has open. */
  open(): Promise<number>
}

const startGateway = async (scope: Scope, [engine, workers]: readonly [string, number], service: Service) => {
  const file = join(scope.tempDir(), 'pool.json')
  const port = await freePort()
  const pool = { mode: 'reuse', quiet: '2ms', max: MOST_IDLE, ...service.pool }
  const config = {
    engine,
    workers,
    // A million lines are of no use.
    log: { level: 'warn' },
    listeners: [{ listen: `${LOOPBACK}:${port}`, upstream: 'service' }],
    upstreams: { service: { endpoints: [`${LOOPBACK}:${service.port}`], pool } },
  }
  writeFileSync(file, JSON.stringify(config))
  const args = ['serve', file, '--engine', engine, '--workers', String(workers)]
  const gateway = startTidegate(scope, args)
  await waitUntilAccepting(gateway.daemon, port)
  // Whoever answered there for a moment was perhaps another program that had tried the port.
  await eventually('the gateway to serve', async () => {
    const greeting = { ...service.plan(0), moment: 'after', way: 'close' } as const
    return (await playTagged(greeting, port)).isWhole
  })
  return { gateway, port }
}

const soak = async (ends: Scope, service: Service, clients: number): Promise<void> => {
  const foreign: [string, TaggedPlan, TaggedOutcome][] = []
  let whole = 0
  let next = 0
  const said: string[] = []
  for (const [name, setting] of Object.entries(GATEWAYS)) {
    const { gateway, port } = await startGateway(ends, setting, service)
    const sockets = (): number =>
      openFilesOf(gateway.daemon.pid).filter((what) => what.startsWith('socket:')).length
    const atRest = sockets()
    const before = await service.figures()
    const share = Math.ceil(clients / Object.keys(GATEWAYS).length)
    let warmBytes: number | null = null
    for (let played = 0; played < share; played += CLIENTS_PER_ROUND) {
      const count = Math.min(CLIENTS_PER_ROUND, share - played)
      await playAllTagged(
        count,
        AT_ONCE,
        port,
        () => service.plan(next++),
        (plan, outcome) => {
          if (!outcome.isOwn) foreign.push([name, plan, outcome])
          if (outcome.isWhole) whole++
          else if (plan.moment === 'after') foreign.push([name, plan, outcome])
        },
      )
      expect(foreign, `seed ${SEED}`).toEqual([])
      await eventually(`${name} to keep no more than idle connections`, async () => {
        const open = await service.open()
        return open <= MOST_IDLE && sockets() - open <= atRest + LATE_SOCKETS
      })
      const bytes = residentBytes(gateway.daemon.pid)
      if (played < share / 2) warmBytes = Math.max(warmBytes ?? 0, bytes)
      expect(bytes - (warmBytes ?? bytes), `bytes by which ${name} has grown`).toBeLessThan(MOST_GROWTH_BYTES)
      process.stdout.write(
        `${service.name}, ${name}: ${played + count} of ${share}, ${Math.round(bytes / 1e6)} MB\n`,
      )
    }
    expect(await gateway.finish()).toBe(0)
    expect(gateway.noise).toEqual([])
    const { connections, resets } = await service.figures()
    said.push(`${name} ${connections - before.connections} connections, ${resets - before.resets} resets`)
    expect(connections - before.connections).toBeLessThan(share)
  }
  process.stdout.write(
    `soaked ${service.name} with ${next} clients, seed ${SEED}: 0 foreign bytes; ${whole} had their whole replies; ${said.join('; ')}\n`,
  )
}

const figures = (clients: number): string => `${clients.toLocaleString('en')} clients`
const timeoutMs = 120_000 + CLIENTS / CLIENTS_PER_MS

describe('a pool that is reused', () => {
  it(
    `lets no byte cross between ${figures(CLIENTS)} that leave at random moments, by a reset (seed ${SEED})`,
    async () => {
      const ends = testScope()
      const random = seededRandom(SEED)
      const tagged = await startTagged(ends, random, 2)
      const service: Service = {
        name: 'a tagged service with a reset',
        port: tagged.server.port,
        pool: { reset: TAGGED_RESET },
        plan: (n) => taggedPlan(n, random, MOMENTS_OF_SOAK, { ways: WAYS_OF_SOAK, mostBytes: 1000 }),
        figures: async () => ({ connections: tagged.accepted, resets: tagged.resets }),
        open: async () => tagged.server.sockets.size,
      }
      await soak(ends, service, CLIENTS)
      // What one client began was ended by the reset, never by the next client.
      expect(tagged.malformed.filter((line) => !/RESET [0-9a-f]{16}$/.test(line))).toEqual([])
    },
    timeoutMs,
  )

  it(
    `lets no byte cross between ${figures(CLIENTS)} of a stateless service that read their replies (seed ${SEED})`,
    async () => {
      const ends = testScope()
      const random = seededRandom(SEED + 1)
      const tagged = await startTagged(ends, random)
      const service: Service = {
        name: 'a stateless service',
        port: tagged.server.port,
        pool: { stateless: true },
        plan: (n) =>
          taggedPlan(n, random, WELL_BEHAVED, { ways: WAYS_OF_SOAK, isNamed: false, mostBytes: 1000 }),
        figures: async () => ({ connections: tagged.accepted, resets: tagged.resets }),
        open: async () => tagged.server.sockets.size,
      }
      await soak(ends, service, CLIENTS)
      expect(tagged.malformed).toEqual([])
      expect(tagged.resets).toBe(0)
    },
    timeoutMs,
  )
})

describeWith(['redis-server'], 'a pool of connections to Redis that is reused', () => {
  it(
    `shows none of ${figures(CLIENTS)} anything of another's (seed ${SEED})`,
    async () => {
      const ends = testScope()
      const random = seededRandom(SEED + 2)
      const port = await startRedis(ends)
      await askRedis(port, 'ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '&*', '+@all')
      const figureIn = (text: string, pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? 0)
      const service: Service = {
        name: 'Redis',
        port,
        pool: { reset: REDIS_RESET },
        plan: (n) => redisPlan(n, random, { moments: MOMENTS_OF_SOAK, ways: WAYS_OF_SOAK }),
        figures: async () => ({
          connections: figureIn(await askRedis(port, 'INFO', 'stats'), /total_connections_received:(\d+)/),
          resets: figureIn(await askRedis(port, 'INFO', 'commandstats'), /cmdstat_reset:calls=(\d+)/),
        }),
        // Without the one that asks.
        open: async () => figureIn(await askRedis(port, 'INFO', 'clients'), /connected_clients:(\d+)/) - 1,
      }
      await soak(ends, service, CLIENTS)
    },
    timeoutMs,
  )
})
