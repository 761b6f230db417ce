/** Upstreams that change while connections are open. */

import { describe, expect, it } from 'vitest'
import { eventually, testScope } from '../../../support/scope.js'
import { LOOPBACK } from '../../../support/sockets.js'
import { type Client, PLANES, start, startService, tally } from './start.js'

const answers = async ({ socket }: Client, text: string): Promise<void> => {
  const answer = new Promise((resolve) => socket.once('data', (bytes) => resolve(String(bytes))))
  socket.write(text)
  expect(await answer).toBe(text)
}

const ROUND = 4 * PLANES

describe('a reload', () => {
  it('takes endpoints away and brings others without touching connections', async () => {
    const scope = testScope()
    const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((name) => startService(scope, name)))
    const addresses = [a, b, c].map((service) => service?.address ?? '')
    const { client, clients, reload, endpoint, status, gateway } = await start(
      { endpoints: addresses.slice(0, 2), balance: 'least_conn' },
      { scope },
    )
    const open = [await client(), await client()]
    expect(open.map(({ reached }) => reached).sort()).toEqual(['a', 'b'])
    await reload({ endpoints: addresses.slice(1) })
    expect(Object.keys(tally(await clients(ROUND))).sort()).toEqual(['b', 'c'])
    expect(endpoint(addresses[0] ?? '')).toMatchObject({ state: 'gone', active: 1 })
    for (const each of open) await answers(each, 'still here')
    await reload({ endpoints: addresses })
    expect(status().endpoints.map(({ state }) => state)).toEqual(['up', 'up', 'up'])
    expect(endpoint(addresses[0] ?? '')).toMatchObject({ active: 1, counts: { connected: 1 } })
    for (const each of open) await answers(each, 'and now')
    expect(gateway.counters().listeners.test?.closed).toEqual({ client_fin: ROUND })
  })

  it('keeps the figures of an upstream that goes and comes back', async () => {
    const scope = testScope()
    const [a, b] = [await startService(scope, 'a'), await startService(scope, 'b')]
    const { client, clients, reload, endpoint, gateway } = await start({ endpoints: [a.address] }, { scope })
    const open = await client()
    const other = {
      listeners: [{ name: 'test', listen: `${LOOPBACK}:0`, upstream: 'other' }],
      upstreams: { other: b.address },
    }
    await reload({ endpoints: [a.address] }, other)
    expect(tally(await clients(ROUND))).toEqual({ b: ROUND })
    expect(endpoint(a.address)).toMatchObject({ state: 'gone', active: 1, counts: { connected: 1 } })
    await answers(open, 'still here')
    await reload({ endpoints: [a.address] })
    expect(tally(await clients(ROUND))).toEqual({ a: ROUND })
    expect(endpoint(a.address)).toMatchObject({ state: 'up', counts: { connected: ROUND + 1 } })
    const [former] = gateway.counters().upstreams.other?.endpoints ?? []
    expect(former).toMatchObject({ state: 'gone', counts: { connected: ROUND } })
  })

  it('leads every client somewhere while it is under way', async () => {
    const scope = testScope()
    const [a, b] = [await startService(scope, 'a'), await startService(scope, 'b')]
    // The new upstream's name takes its time.
    const lookup = (): Promise<readonly string[]> =>
      new Promise((resolve) => void setTimeout(() => resolve([LOOPBACK]), 200))
    const { clients, reload } = await start({ endpoints: [a.address] }, { scope, lookup })
    const reloaded = reload(
      { endpoints: [a.address] },
      {
        listeners: [{ name: 'test', listen: `${LOOPBACK}:0`, upstream: 'other' }],
        upstreams: { other: { endpoints: [`web.test:${b.port}`] } },
      },
    )
    let isDone = false
    void reloaded.then(() => {
      isDone = true
    })
    const names: (string | null)[] = []
    while (!isDone) names.push(...(await clients(1)))
    names.push(...(await clients(1)))
    expect(tally(names)).toEqual({ a: expect.any(Number), b: expect.any(Number) })
    expect(names.at(-1)).toBe('b')
  })

  it('raises a limit for those that wait already', async () => {
    const scope = testScope()
    const a = await startService(scope, 'a')
    const input = { endpoints: [a.address], maxConnections: 1, queueTimeout: 0 }
    const { client, reload, status } = await start(input, { scope })
    await client()
    const waiting = [client(), client()]
    await eventually('both wait', () => status().waiting === 2)
    await reload({ ...input, maxConnections: 3 })
    for (const { reached } of await Promise.all(waiting)) expect(reached).toBe('a')
  })
})
