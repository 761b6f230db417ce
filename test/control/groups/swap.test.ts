import { describe, expect, it } from 'vitest'
import { formatAddress } from '../../../src/core/address.js'
import { payload } from '../../support/payload.js'
import { expectSameBytes } from '../../support/recording.js'
import { eventually } from '../../support/scope.js'
import { type Client, OwnGroup, start } from './start.js'

describe('a swap of groups', () => {
  it('under load loses nothing, mixes nothing, and closes the old group after its last connection', async () => {
    const groups = Array.from(
      { length: 6 },
      () => new OwnGroup(() => new Promise((resolve) => setImmediate(resolve))),
    )
    const [first, ...others] = groups
    const { client, gateway } = await start({ resourceGroup: first! })
    const clients: Client[] = []
    let isOver = false
    const clientLoop = async (seed: number): Promise<void> => {
      for (let n = 0; !isOver || n < 3; n++) {
        const one = await client()
        clients.push(one)
        for (let round = 0; round < 3; round++)
          await one.say(payload(seed * 1000 + n, 1 + ((n * 997) % 20_000)))
        await one.end()
      }
    }
    const load = Promise.all([0, 1, 2, 3].map(clientLoop))
    /** Opened before any swap, closed after all. */
    const witness = await client()
    for (const group of others) {
      await eventually('some clients to have come', () => clients.length > groups.indexOf(group) * 5)
      const before = [await client(), ...clients]
      await gateway.updateResourceGroup(group)
      const after = await client()
      await after.say(payload(1, 100))
      await eventually('the first of its connections', () => group.connections.some(isOf(after)))
      // Who was there before the swap is not the new one's.
      for (const one of before) expect(group.connections.some(isOf(one))).toBe(false)
      clients.push(before[0]!, after)
      await before[0]?.say(payload(2, 100))
    }
    isOver = true
    await load
    await witness.say(payload(3, 100_000))
    for (const one of clients) await one.end()
    await eventually('all others to be closed', () => groups.slice(1, -1).every(({ closes }) => closes === 1))
    expect([first!.closes, groups.at(-1)!.closes]).toEqual([0, 0])
    await witness.end()
    await eventually('the first to be closed', () => first!.closes === 1)
    expect(groups.at(-1)!.closes).toBe(0)
    await gateway.close()
    expect(groups.map(({ closes, openAtClose }) => [closes, openAtClose])).toEqual(groups.map(() => [1, 0]))
    for (const one of [witness, ...clients]) {
      const [its, ...more] = groups.filter(({ connections }) => connections.some(isOf(one)))
      expect(more).toEqual([])
      expectSameBytes(its!.heard.saidBy(one.port), one.said, `what ${one.port} said`)
      expectSameBytes(its!.heard.saidTo(one.port), one.said, `what ${one.port} was told`)
    }
    for (const { heard, connections } of groups) {
      const ports = new Set(connections.map(({ client }) => formatAddress(client)))
      for (const { from, to } of heard.frames) expect(ports.has(from) || ports.has(to)).toBe(true)
    }
    const { frames, connections, lostBytes } = gateway.counters().resources!
    expect(groups.reduce((sum, { heard }) => sum + heard.frames.length, 0)).toBe(frames)
    expect([connections, lostBytes]).toEqual([clients.length + 1, 0])
  })

  it('can be of one listener, to none, and back to a group that still has connections', async () => {
    const [one, two] = [new OwnGroup(), new OwnGroup()]
    const { client, gateway } = await start({ listeners: ['a', 'b'], resourceGroup: one })
    const stays = await client('a')
    await gateway.updateResourceGroup(two, 'a')
    const [atTwo, atOne] = [await client('a'), await client('b')]
    await gateway.updateResourceGroup(null)
    const atNone = await client('a')
    await atNone.say(payload(1, 1000))
    await gateway.updateResourceGroup(one)
    const again = await client('a')
    for (const each of [atTwo, atOne, atNone]) await each.end()
    await eventually('the other group to be closed', () => two.closes === 1)
    for (const each of [stays, again]) await each.end()
    await gateway.close()
    expect(one.closes).toBe(1)
    expect(two.connections.map((each) => isOf(atTwo)(each))).toEqual([true])
    expect(one.connections.some(isOf(stays)) && one.connections.some(isOf(atOne))).toBe(true)
    expect(one.connections.some(isOf(again))).toBe(true)
    expect(one.connections).toHaveLength(3)
  })
})

const isOf =
  ({ port }: Client) =>
  ({ client }: { readonly client: { readonly kind: string } }): boolean =>
    'port' in client && client.port === port
