/** Pools that are reused, at length: clients that leave at random moments, and not one byte of another's. */

import { describe, expect, it } from 'vitest'
import { startGatewayProcess } from '../control/workers/gateway-process.js'
import { seededRandom } from '../support/payload.js'
import { openFilesOf, residentBytes } from '../support/proc.js'
import { eventually, type Scope, testScope, within } from '../support/scope.js'
import { startRedis } from '../support/servers/redis.js'
import { LOOPBACK } from '../support/sockets.js'
import {
  LONG_REPLY_BYTES,
  type Moment,
  playAllTagged,
  startTagged,
  TAGGED_RESET,
  type TaggedPlan,
  taggedPlan,
  type Way,
} from '../support/tagged.js'
import { askRedis, REDIS_RESET, redisPlan } from '../support/tagged-redis.js'
import { describeWith } from '../support/tools.js'
import { PoolTally } from './pool-tally.js'

/**
 * Clients that got a connection which another one had left, per service, through all gateways together. `npm run soak -- --pool`
 * has a million.
 */
const REUSES = Number(process.env.SOAK_POOL_REUSES ?? 1200)
const SEED = Number(process.env.SOAK_SEED ?? 1)

const GATEWAYS = { 'linux-0': ['linux', 0], 'linux-2': ['linux', 2], portable: ['portable', 0] } as const

const times = <T>(count: number, each: T): readonly T[] => Array.from({ length: count }, () => each)

/** Those that leave a connection which can be reused more often than others. */
const MOMENTS_OF_SOAK: readonly Moment[] = [
  ...times(5, 'before' as const),
  'behind',
  'within',
  ...times(4, 'during' as const),
  ...times(15, 'after' as const),
  'torn',
]
const WAYS_OF_SOAK: readonly Way[] = [...times(7, 'end' as const), ...times(3, 'close' as const), 'reset']
const SIZES = { ways: WAYS_OF_SOAK, mostBytes: 1000, leastBytesDuring: LONG_REPLY_BYTES }

/** The first of each thread's are dialled: few clients must not all be first. */
const AT_ONCE = REUSES < 30_000 ? 16 : 96
/** So many that each thread can keep all connections of a round. */
const MOST_IDLE = 2 * AT_ONCE

/** What a worker opens for itself may come after the first client was served by another one. */
const LATE_SOCKETS = 4

/** In one go: then something is said, and the gateway is looked at. */
const CLIENTS_PER_ROUND = 20_000

/** Slower than the slowest machine. */
const REUSES_PER_MS = 0.1

/** Between two looks at it, memory that nobody uses any more may or may not have been collected. */
const MOST_GROWTH_BYTES = 64 * 1024 ** 2

interface Service {
  readonly name: string
  readonly port: number
  readonly pool: object
  readonly isProvenByReset: boolean
  plan(n: number): TaggedPlan
  /** How often a connection was reset for another client. */
  resets(): number | Promise<number>
  /** Connections it has open. */
  open(): number | Promise<number>
}

const startGateway = async (scope: Scope, [engine, workers]: readonly [string, number], service: Service) => {
  const pool = { mode: 'reuse' as const, quiet: '1ms', max: MOST_IDLE, ...service.pool }
  const config = {
    engine: engine as 'linux' | 'portable',
    workers,
    listeners: [{ name: 'it', listen: `${LOOPBACK}:0`, upstream: 'it' }],
    upstreams: { it: { endpoints: [`${LOOPBACK}:${service.port}`], pool } },
  }
  const gateway = startGatewayProcess(scope, config, { TELL_CLOSED: 'no' })
  const started = await gateway.started
  if (started.type !== 'listening') throw new Error(started.message)
  const pid = gateway.child.pid ?? 0
  return {
    gateway,
    port: started.port,
    sockets: () => openFilesOf(pid).filter((what) => what.startsWith('socket:')).length,
    bytes: () => residentBytes(pid),
    endpoint: async () => {
      const endpoint = (await gateway.look()).upstreams.it?.endpoints[0]
      if (endpoint === undefined) throw new Error('the upstream has no endpoint')
      return endpoint
    },
  }
}

const soak = async (ends: Scope, service: Service): Promise<void> => {
  let next = 0
  for (const [name, setting] of Object.entries(GATEWAYS)) {
    const { gateway, port, endpoint, sockets, bytes } = await startGateway(ends, setting, service)
    const atRest = sockets()
    const resetsBefore = await service.resets()
    const tally = new PoolTally(name)
    const wanted = Math.ceil(REUSES / Object.keys(GATEWAYS).length)
    let warmBytes = 0
    let grownBytes = 0
    while (tally.reused < wanted) {
      // As many as it takes if every other one is given a connection that was left.
      const count = Math.max(AT_ONCE, Math.min(CLIENTS_PER_ROUND, Math.ceil(1.5 * (wanted - tally.reused))))
      const plan = (): TaggedPlan => service.plan(next++)
      await playAllTagged(count, AT_ONCE, port, plan, (plan, outcome) => tally.judge(plan, outcome))
      expect(tally.wrong, `${service.name}, ${name}, seed ${SEED}`).toEqual([])
      await eventually(`${name} to keep idle connections and nothing else`, async () => {
        const { active, idle } = await endpoint()
        const open = await service.open()
        return active === 0 && idle === open && idle <= MOST_IDLE && sockets() - open <= atRest + LATE_SOCKETS
      })
      tally.take((await endpoint()).counts, (await service.resets()) - resetsBefore)
      if (tally.reused < wanted / 2) warmBytes = Math.max(warmBytes, bytes())
      else if (warmBytes > 0) grownBytes = Math.max(grownBytes, bytes() - warmBytes)
      expect(grownBytes, `bytes by which ${name} has grown`).toBeLessThan(MOST_GROWTH_BYTES)
      process.stdout.write(
        `${service.name}, ${name}: ${tally.reused} of ${wanted} reused, ${tally.clients} clients, ${tally.perSecond} reused/s\n`,
      )
    }
    tally.write(service.name, grownBytes)
    tally.expectSound(service.isProvenByReset)
    expect(gateway.log.filter(({ level }) => level === 'error')).toEqual([])
    gateway.close()
    expect(await within(10_000, 'the gateway to end', gateway.exited)).toBe(0)
  }
}

const figures = `${REUSES.toLocaleString('en')} clients that get a connection another one has left`
const timeoutMs = 120_000 + REUSES / REUSES_PER_MS

describe('a pool that is reused', () => {
  it(
    `with a reset lets no byte cross to ${figures}, at any moment (seed ${SEED})`,
    async () => {
      const ends = testScope()
      const random = seededRandom(SEED)
      const tagged = await startTagged(ends, random, 3)
      await soak(ends, {
        name: 'tagged',
        port: tagged.server.port,
        pool: { reset: TAGGED_RESET },
        isProvenByReset: true,
        plan: (n) => taggedPlan(n, random, MOMENTS_OF_SOAK, SIZES),
        resets: () => tagged.resets,
        open: () => tagged.server.sockets.size,
      })
      // What one client began was ended by the reset, never by the next client.
      expect(tagged.malformed.filter((line) => !/RESET [0-9a-f]{16}$/.test(line))).toEqual([])
    },
    timeoutMs,
  )

  it(
    `of a stateless service lets no byte cross to ${figures}, when they read their replies or break (seed ${SEED})`,
    async () => {
      const ends = testScope()
      const random = seededRandom(SEED + 1)
      const tagged = await startTagged(ends, random, 3)
      // Whoever leaves a part of its reply to the next client has not kept what `stateless` asks.
      const wellBehaved = MOMENTS_OF_SOAK.filter((moment) => moment !== 'within' && moment !== 'torn')
      await soak(ends, {
        name: 'stateless',
        port: tagged.server.port,
        pool: { stateless: true },
        isProvenByReset: false,
        plan: (n) => {
          const plan = taggedPlan(n, random, wellBehaved, { ...SIZES, isNamed: false })
          return plan.moment === 'during' ? { ...plan, way: 'reset' } : plan
        },
        resets: () => tagged.resets,
        open: () => tagged.server.sockets.size,
      })
      expect(tagged.malformed).toEqual([])
    },
    timeoutMs,
  )
})

describeWith(['redis-server'], 'a pool of connections to Redis that is reused', () => {
  it(
    `shows none of ${figures} anything of another's (seed ${SEED})`,
    async () => {
      const ends = testScope()
      const random = seededRandom(SEED + 2)
      const port = await startRedis(ends)
      await askRedis(port, 'ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '&*', '+@all')
      const figureIn = (text: string, pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? 0)
      await soak(ends, {
        name: 'Redis',
        port,
        pool: { reset: REDIS_RESET },
        isProvenByReset: true,
        plan: (n) => redisPlan(n, random, { moments: MOMENTS_OF_SOAK, ways: WAYS_OF_SOAK }),
        resets: async () =>
          figureIn(await askRedis(port, 'INFO', 'commandstats'), /cmdstat_reset:calls=(\d+)/),
        // Without the one that asks.
        open: async () => figureIn(await askRedis(port, 'INFO', 'clients'), /connected_clients:(\d+)/) - 1,
      })
    },
    timeoutMs,
  )
})
