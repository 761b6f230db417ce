/** A Redis behind a pool that is reused: what the recipe of docs/upstreams.md promises. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { seededRandom } from '../support/payload.js'
import { blockScope, eventually, type Scope, testScope } from '../support/scope.js'
import { startRedis } from '../support/servers/redis.js'
import { IS_AT_LENGTH } from '../support/setting.js'
import { dial, LOOPBACK } from '../support/sockets.js'
import { playAllTagged, type TaggedOutcome, type TaggedPlan } from '../support/tagged.js'
import { askRedis, command, REDIS_RESET, redisPlan } from '../support/tagged-redis.js'
import { listening, portIn, startTidegate } from '../support/tidegate.js'
import { describeWith } from '../support/tools.js'

const startPool = async (scope: Scope, redis: number, pool: object): Promise<number> => {
  const file = join(scope.tempDir(), 'pool.json')
  const upstream = { endpoints: [`${LOOPBACK}:${redis}`], maxConnections: 20, pool }
  writeFileSync(
    file,
    JSON.stringify({
      listeners: [{ listen: `${LOOPBACK}:0`, upstream: 'redis' }],
      upstreams: { redis: upstream },
    }),
  )
  const gateway = startTidegate(scope, ['serve', file])
  const [address = ''] = (await listening(gateway)).values()
  return portIn(address)
}

/** Sends commands, waits for so many bytes, and leaves. */
const session = async (scope: Scope, port: number, commands: string, ends: string): Promise<string> => {
  const socket = await dial(scope, port)
  let received = ''
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1')
  })
  socket.write(commands)
  await eventually(`${ends} from Redis`, () => received.includes(ends))
  socket.end()
  return received
}

const resets = async (port: number): Promise<number> =>
  Number(/cmdstat_reset:calls=(\d+)/.exec(await askRedis(port, 'INFO', 'commandstats'))?.[1] ?? 0)

const clientsOf = async (port: number): Promise<number> =>
  (await askRedis(port, 'CLIENT', 'LIST')).match(/^id=/gm)?.length ?? 0

describeWith(['redis-server'], 'Redis behind a pool that is reused', () => {
  const scope = blockScope()
  const pool = { mode: 'reuse', max: 20, reset: REDIS_RESET, quiet: '1ms' }
  const redis = startRedis(scope).then(async (port) => {
    expect(await askRedis(port, 'ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '&*', '+@all')).toBe(
      '+OK\r\n',
    )
    return port
  })

  const gateway = redis.then((port) => startPool(scope, port, pool))

  it.each<[string, string, string]>([
    ['a database', command('SELECT', '7'), '+OK\r\n'],
    ['a login', command('AUTH', 'app', 'secret'), '+OK\r\n'],
    ['a transaction', command('MULTI') + command('SET', 'k', 'v'), '+QUEUED\r\n'],
    ['a name', command('CLIENT', 'SETNAME', 'somebody'), '+OK\r\n'],
    ['a subscription', command('SUBSCRIBE', 'news'), ':1\r\n'],
    ['RESP3', command('HELLO', '3') + command('PING'), '+PONG\r\n'],
    ['MONITOR', command('MONITOR'), '+OK\r\n'],
    ['tracking', command('CLIENT', 'TRACKING', 'ON'), '+OK\r\n'],
  ])('the next client finds nothing of %s', async (_, commands, ends) => {
    const ended = testScope()
    const port = await gateway
    const before = await resets(await redis)
    await session(ended, port, commands, ends)
    await eventually('it is reset', async () => (await resets(await redis)) > before)
    for (let n = 0; n < 3; n++) {
      const info = await session(ended, port, command('CLIENT', 'INFO'), '\n\r\n')
      expect(info).toMatch(/ name= .* db=0 sub=0 psub=0 ssub=0 multi=-1 .* user=default /)
      expect(info).toMatch(/ flags=N /)
      expect(info).toMatch(/ resp=2/)
    }
  })

  it('clients leave whenever they like: each finds a connection that nobody has touched, and its own replies', async () => {
    const port = await gateway
    const before = await resets(await redis)
    const random = seededRandom(6)
    const foreign: [TaggedPlan, TaggedOutcome][] = []
    let whole = 0
    await playAllTagged(
      IS_AT_LENGTH ? 1000 : 300,
      24,
      port,
      (n) => redisPlan(n, random),
      (plan, outcome) => {
        if (!outcome.isOwn) foreign.push([plan, outcome])
        if (outcome.isWhole) whole++
        if (plan.moment === 'after') expect(outcome, JSON.stringify(plan)).toMatchObject({ isWhole: true })
      },
    )
    expect(foreign).toEqual([])
    expect(whole).toBeGreaterThan(80)
    expect((await resets(await redis)) - before).toBeGreaterThan(40)
    // Its own among them.
    await eventually('none is left over', async () => (await clientsOf(await redis)) <= 21)
  })

  it('works for a server with a password, when the reset logs in for the echo', async () => {
    const ended = testScope()
    const guarded = await startRedis(ended)
    expect(await askRedis(guarded, 'CONFIG', 'SET', 'requirepass', 'sesame')).toBe('+OK\r\n')
    const port = await startPool(ended, guarded, {
      mode: 'reuse',
      quiet: '1ms',
      reset: {
        send: 'RESET\r\nAUTH sesame\r\nECHO {nonce}\r\nRESET\r\n',
        expect: '+RESET\r\n+OK\r\n$16\r\n{nonce}\r\n+RESET\r\n',
      },
    })
    const ids = new Set<string>()
    for (let n = 0; n < 6; n++) {
      const refused = await session(ended, port, command('GET', 'k'), 'required.\r\n')
      expect(refused).toBe('-NOAUTH Authentication required.\r\n')
      const info = await session(ended, port, command('AUTH', 'sesame') + command('CLIENT', 'ID'), '\r\n')
      await session(ended, port, command('PING'), 'required.\r\n')
      ids.add(/:(\d+)/.exec(info)?.[1] ?? '')
    }
    expect(ids.size).toBeLessThan(6)
  })
})

it('the recipe is the one that the documentation and the example have', () => {
  for (const file of ['docs/upstreams.md', 'examples/pooled.yaml']) {
    const text = readFileSync(join(import.meta.dirname, '../..', file), 'utf8')
    for (const bytes of Object.values(REDIS_RESET)) expect(text).toContain(JSON.stringify(bytes))
  }
})
