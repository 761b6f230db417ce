/** Endpoints that are names, with a lookup of the caller's own. */

import { isDeepStrictEqual } from 'node:util'
import { describe, expect, it } from 'vitest'
import { eventually, type Scope, testScope } from '../../../support/scope.js'
import { freePort } from '../../../support/sockets.js'
import { gone, PLANES, start, startService, tally } from './start.js'

const HOSTS = ['127.0.0.11', '127.0.0.12', '127.0.0.13'] as const
const ROUND = 3 * PLANES

/** The same port on three loopback addresses, and what a name stands for. */
const named = async (scope: Scope) => {
  const port = await freePort()
  const services = await Promise.all(HOSTS.map((host) => startService(scope, host, { host, port })))
  const dns: { answer: readonly string[] | Error } = { answer: HOSTS }
  const lookup = async (host: string): Promise<readonly string[]> => {
    if (host !== 'web.test') throw new Error(`asked for ${host}`)
    if (dns.answer instanceof Error) throw dns.answer
    return dns.answer
  }
  return { port, services, dns, lookup, endpoints: [`web.test:${port}`] }
}

describe('an endpoint that is a name', () => {
  it('is all its addresses; one that vanishes gets no new clients, and its sessions live on', async () => {
    const scope = testScope()
    const { dns, lookup, endpoints, port } = await named(scope)
    const { clients, client, endpoint, line, status } = await start(
      { endpoints, resolveInterval: '20ms', balance: 'least_conn' },
      { scope, lookup },
    )
    const [first, ...others] = [await client(), await client(), await client()]
    expect(new Set([first?.reached, ...others.map(({ reached }) => reached)])).toEqual(new Set(HOSTS))
    for (const { socket } of others) await gone(socket)
    const left = HOSTS.filter((host) => host !== first?.reached)
    dns.answer = left
    const lost = `${first?.reached}:${port}`
    await eventually('it is gone', () => endpoint(lost).state === 'gone')
    expect((await line('the upstream has other endpoints')).fields).toMatchObject({ gone: [lost], came: [] })
    expect(endpoint(lost).active).toBe(1)
    const used = async (): Promise<readonly string[]> => Object.keys(tally(await clients(ROUND))).sort()
    // Threads hear of it a moment later.
    await eventually('the others alone are used', async () => isDeepStrictEqual(await used(), left))
    expect(await used()).toEqual(left)
    const answer = new Promise((resolve) => first?.socket.once('data', (bytes) => resolve(String(bytes))))
    first?.socket.write('still here')
    expect(await answer).toBe('still here')
    await gone(first?.socket ?? expect.unreachable())
    await eventually('nothing of it is left', () => status().endpoints.length === 2)
    dns.answer = HOSTS
    await eventually('it is back', () => status().endpoints.length === 3)
    expect(endpoint(lost).counts.connected).toBeGreaterThan(0)
    await eventually('all of them are used', async () => isDeepStrictEqual(await used(), [...HOSTS]))
  })

  it('goes on with its last addresses while it cannot be looked up, also over a reload', async () => {
    const scope = testScope()
    const { dns, lookup, endpoints } = await named(scope)
    const { clients, lines, line, status, reload } = await start(
      { endpoints, resolveInterval: '20ms' },
      { scope, lookup },
    )
    dns.answer = new Error('the name server is on fire')
    expect((await line('its last addresses go on being used')).fields).toMatchObject({
      upstream: 'it',
      host: 'web.test',
      error: 'the name server is on fire',
    })
    expect(status().unresolved).toEqual(['web.test'])
    await reload({ endpoints, resolveInterval: '20ms', balance: 'least_conn' })
    expect(status().unresolved).toEqual(['web.test'])
    expect(Object.keys(tally(await clients(ROUND))).sort()).toEqual([...HOSTS])
    dns.answer = HOSTS
    await line('the name is found again')
    expect(status().unresolved).toEqual([])
    expect(lines.filter(({ message }) => message.startsWith('the name is not found'))).toHaveLength(1)
  })

  it('that is not found turns its clients away, until it is', async () => {
    const scope = testScope()
    const { dns, lookup, endpoints } = await named(scope)
    dns.answer = new Error('no such name')
    const { client, record, status } = await start({ endpoints, resolveInterval: '20ms' }, { scope, lookup })
    expect(status().unresolved).toEqual(['web.test'])
    // The system is asked then, which does not know the name either (RFC 6761).
    expect((await client()).reached).toBe(null)
    expect((await record(0)).error?.message).toContain('web.test')
    dns.answer = HOSTS
    await eventually('it is found', () => status().endpoints.length === 3)
    await eventually('a client is served', async () => {
      const { reached } = await client()
      return HOSTS.some((host) => host === reached)
    })
  })
})
