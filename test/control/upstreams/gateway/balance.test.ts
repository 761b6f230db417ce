/** Who gets the next client, through a whole gateway. */

import { describe, expect, it } from 'vitest'
import { eventually, testScope } from '../../../support/scope.js'
import { gone, PLANES, start, startService, tally } from './start.js'

const services = async (...names: readonly string[]) => {
  const scope = testScope()
  const started = await Promise.all(names.map((name) => startService(scope, name)))
  return { scope, started, endpoints: started.map(({ address }) => address) }
}

describe('clients of an upstream with several endpoints', () => {
  it('are spread in turns', async () => {
    const { scope, endpoints } = await services('a', 'b', 'c')
    const { clients, records, record } = await start({ endpoints }, { scope })
    const { a = 0, b = 0, c = 0 } = tally(await clients(12))
    expect(a + b + c).toBe(12)
    // Each thread has turns of its own: at most one client more or less.
    for (const count of [a, b, c]) expect(Math.abs(count - 4)).toBeLessThan(PLANES)
    await record(11)
    for (const { reason, attempts } of records) expect([reason, attempts]).toEqual(['client_fin', 1])
  })

  it('are spread by weight', async () => {
    const { scope, endpoints } = await services('a', 'b')
    const [heavy = '', light = ''] = endpoints
    const { clients } = await start({ endpoints: [{ address: heavy, weight: 3 }, light] }, { scope })
    const { a = 0, b = 0 } = tally(await clients(16))
    expect(a + b).toBe(16)
    expect(Math.abs(b - 4)).toBeLessThan(PLANES)
  })

  it.each(['least_conn', 'random'] as const)(
    'go to where fewest are (%s), whichever thread serves them',
    async (balance) => {
      const { scope, endpoints, started } = await services('a', 'b')
      const { clients, endpoint } = await start({ endpoints, balance }, { scope })
      expect(tally(await clients(8, 'stay'))).toEqual({ a: 4, b: 4 })
      const [one] = started
      for (const socket of one?.sockets ?? []) socket.end()
      for (const socket of one?.sockets ?? []) socket.destroy()
      await eventually('its connections have ended', () => endpoint(one?.address ?? '').active === 0)
      expect(tally(await clients(4, 'stay'))).toEqual({ a: 4 })
    },
  )

  it('stick to their endpoint by source_hash, and only those of one that goes move', async () => {
    const { scope, endpoints, started } = await services('a', 'b', 'c')
    const { client } = await start({ endpoints, balance: 'source_hash' }, { scope })
    const homes = async (): Promise<readonly (string | null)[]> => {
      const names: (string | null)[] = []
      for (let n = 1; n <= 24; n++) {
        const { socket, reached } = await client(`127.0.0.${n}`)
        names.push(reached)
        await gone(socket)
      }
      return names
    }
    const before = await homes()
    expect(Object.keys(tally(before)).sort()).toEqual(['a', 'b', 'c'])
    expect(await homes()).toEqual(before)
    await started[1]?.stop()
    const after = await homes()
    expect(after).not.toContain('b')
    expect(after.filter((name, n) => before[n] !== 'b' && name !== before[n])).toEqual([])
  })

  it('go to the first as long as that can be reached, each to the next at the cost of one failed dial', async () => {
    const { scope, endpoints, started } = await services('a', 'b')
    const { clients, record, records, endpoint } = await start(
      { endpoints, balance: 'first', passiveHealth: { backoff: '1h', maxBackoff: '1h' } },
      { scope },
    )
    expect(tally(await clients(4))).toEqual({ a: 4 })
    await started[0]?.stop()
    expect(tally(await clients(4))).toEqual({ b: 4 })
    const attempts = (): readonly number[] =>
      [...records].sort((x, y) => x.id - y.id).map((each) => each.attempts)
    await record(7)
    expect(attempts()).toEqual([1, 1, 1, 1, 2, 1, 1, 1])
    expect(endpoint(endpoints[0] ?? '')).toMatchObject({ state: 'ejected', counts: { failed: 1 } })
  })

  it('come to a backup only while no other is in service, not when others are merely full', async () => {
    const { scope, started, endpoints } = await services('primary', 'backup')
    const [primary = '', backup = ''] = endpoints
    const { client, clients, gateway, line } = await start(
      {
        endpoints: [{ address: backup, backup: true }, primary],
        maxConnections: 1,
        passiveHealth: { backoff: '50ms', maxBackoff: '50ms' },
      },
      { scope },
    )
    const first = await client()
    expect(first.reached).toBe('primary')
    const waiting = client()
    await eventually('it waits', () => gateway.connections().some(({ state }) => state === 'queued'))
    await gone(first.socket)
    const { socket, reached } = await waiting
    expect(reached).toBe('primary')
    await gone(socket)
    await started[0]?.stop()
    expect(tally(await clients(3))).toEqual({ backup: 3 })
    await started[0]?.start()
    await eventually('clients of the primary', async () => (await clients(1))[0] === 'primary')
    await line('endpoint back')
  })
})
