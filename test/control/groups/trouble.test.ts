import { Buffer } from 'node:buffer'
import { Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { createDefaultResourceGroup, type ResourceGroup } from '../../../src/record.js'
import { payload } from '../../support/payload.js'
import { expectSameBytes } from '../../support/recording.js'
import { eventually } from '../../support/scope.js'
import { gate, HAS_WORKERS, OwnGroup, start } from './start.js'

const MIB = 1024 * 1024

/** More than one resource may have waiting, in both directions. */
const MUCH = payload(7, 4 * MIB)

/** A gateway whose group takes nothing until its gate is opened. */
const slow = async (overload: 'block' | 'drop' | 'disconnect') => {
  const { open, opened } = gate()
  const group = new OwnGroup(() => opened)
  const started = await start({ resourceGroup: group, resourceOptions: { overload, maxBufferedBytes: MIB } })
  started.scope.defer(open)
  const resources = () => {
    const { resources: figures } = started.gateway.counters()
    if (figures === null) throw new Error('there are groups')
    return figures
  }
  return { ...started, open, group, resources }
}

describe('a write function that is slower than the traffic', () => {
  it('slows the traffic with `block`, and nothing is lost', async () => {
    const { client, open, group, gateway, resources, lines } = await slow('block')
    const one = await client()
    one.send(MUCH)
    await eventually('the links to be held', () => resources().holds > 0)
    // What may wait is all there is: the rest is not relayed.
    expect(resources().seenBytes).toBeLessThan(3 * MIB)
    const said = () =>
      lines.filter(({ message }) => message.startsWith("a resource of 'one' is slower")).length
    await eventually('that to be said', () => said() > 0)
    expect(said()).toBe(1)
    open()
    await one.echoed()
    await one.end()
    await gateway.close()
    expectSameBytes(group.heard.saidBy(one.port), one.said, 'what was said')
    expectSameBytes(group.heard.saidTo(one.port), one.said, 'what was answered')
    expect(resources()).toMatchObject({ lostBytes: 0, storedBytes: 2 * one.said.length })
  })

  it('costs bytes of the recording with `drop`, which are counted, and none of the traffic', async () => {
    const { client, open, group, gateway, resources } = await slow('drop')
    const one = await client()
    await one.say(MUCH)
    await one.end()
    expect(resources().lostBytes).toBeGreaterThan(0)
    open()
    await gateway.close()
    const { seenBytes, storedBytes, lostBytes, bufferedBytes } = resources()
    expect([seenBytes, bufferedBytes]).toEqual([2 * one.said.length, 0])
    expect(storedBytes + lostBytes).toBe(seenBytes)
    expect(group.heard.frames.reduce((sum, { body }) => sum + body.length, 0)).toBe(storedBytes)
  })

  it('costs the connection with `disconnect`', async () => {
    const { client, open, group, gateway, resources } = await slow('disconnect')
    const one = await client()
    one.send(MUCH)
    await eventually('the connection to be ended', () => one.isClosed)
    open()
    await gateway.close()
    const { seenBytes, storedBytes, lostBytes } = resources()
    expect(storedBytes + lostBytes).toBe(seenBytes)
    expect(seenBytes).toBeLessThan(2 * one.said.length)
    expect(group.heard.frames.reduce((sum, { body }) => sum + body.length, 0)).toBe(storedBytes)
    expect(gateway.counters().listeners.one?.closed).toEqual({ error: 1 })
  })
})

describe('what throws', () => {
  it('is contained: counted, said once, and nobody else’s trouble', async () => {
    let calls = 0
    const bad: ResourceGroup = {
      getResource: () => ({
        resource: {
          writeFunction: () => {
            if (calls++ % 2 === 0) throw new Error('no room')
            return Promise.reject(new Error('no room either'))
          },
        },
        onClose: () => {
          throw new Error('no close')
        },
      }),
      close: () => Promise.reject(new Error('no end')),
    }
    const good = new OwnGroup()
    const { client, gateway, lines } = await start({
      listeners: ['bad', 'good'],
      resourceGroups: { bad, good },
    })
    const clients = [await client('bad'), await client('good')]
    for (let round = 0; round < 10; round++) for (const each of clients) await each.say(payload(round, 100))
    for (const each of clients) await each.end()
    await gateway.close()
    expect(calls).toBeGreaterThan(10)
    expect(gateway.counters().resources).toMatchObject({ functionFailures: calls + 1, lostBytes: 0 })
    const said = lines.filter(({ level }) => ['warn', 'error'].includes(level)).map(({ message }) => message)
    expect(said).toEqual([
      'a write of a resource group failed: no room',
      'a resource group could not be closed: no end',
    ])
    expectSameBytes(good.heard.saidBy(clients[1]!.port), clients[1]!.said, 'what was said')
  })

  it.skipIf(HAS_WORKERS)('in place of a resource leaves the traffic alone', async () => {
    const bad: Record<string, { readonly getResource: ResourceGroup['getResource']; readonly why: string }> =
      {
        throws: {
          getResource: () => {
            throw new Error('nobody home')
          },
          why: 'getResource of a resource group failed: nobody home',
        },
        rejects: { getResource: () => Promise.reject(new Error('gone away')), why: 'gone away' },
        nothing: {
          getResource: () => JSON.parse('null'),
          why: 'getResource must return { resource, onClose }',
        },
        empty: { getResource: () => ({ resource: {} }), why: 'a resource needs a writeFunction' },
      }
    const listeners = Object.keys(bad)
    const { client, gateway, lines } = await start({ listeners, resourceGroups: bad })
    const clients = await Promise.all(listeners.map((listener) => client(listener)))
    await Promise.all(clients.map((one) => one.say(payload(1, 10_000))))
    await Promise.all(clients.map((one) => one.end()))
    await gateway.close()
    const bytes = 2 * clients.reduce((sum, { said }) => sum + said.length, 0)
    expect(gateway.counters().resources).toMatchObject({
      ...{ functionFailures: 4, frames: 0, openConnections: 0 },
      ...{ seenBytes: bytes, lostBytes: bytes, storedBytes: 0 },
    })
    const said = lines.filter(({ level }) => level === 'warn').map(({ message }) => message)
    expect(said).toHaveLength(listeners.length)
    for (const { why } of Object.values(bad)) expect(said).toContainEqual(expect.stringContaining(why))
  })

  it.skipIf(HAS_WORKERS)(
    'is a stream that breaks: its error ends neither the process nor the traffic',
    async () => {
      const broken = new Writable({ write: (_chunk, _encoding, done) => done(new Error('no disk')) })
      const { client, gateway, lines } = await start({
        resourceGroup: createDefaultResourceGroup({ writer: broken, endWriter: true }),
      })
      const one = await client()
      await one.say(Buffer.from('hello'))
      await one.end()
      await gateway.close()
      expect(gateway.counters().resources?.functionFailures).toBeGreaterThan(0)
      expect(lines.map(({ message }) => message)).toContain('a write of a resource group failed: no disk')
    },
  )
})

describe('bad use', () => {
  const group = { getResource: () => ({ resource: {} }) }

  it.each([
    ['resourceGroup', { resourceGroup: {} }],
    ['resourceGroups.one', { resourceGroups: { one: { getResource: 1 } } }],
    ['resourceGroups.two', { resourceGroups: { two: group } }],
    ['resourceOptions.format', { resourceOptions: { format: 'pcap' } }],
    ['resourceOptions.overload', { resourceOptions: { overload: 'wait' } }],
    ['resourceOptions.maxBufferedBytes', { resourceOptions: { maxBufferedBytes: 0 } }],
    ['resourceOptions.closeTimeoutMs', { resourceOptions: { closeTimeoutMs: -1 } }],
  ])('of %s is refused before anything is opened', async (where, options) => {
    await expect(start(JSON.parse(JSON.stringify(options), revive(options)))).rejects.toMatchObject({
      code: 'value_invalid',
      where,
    })
  })

  it.skipIf(HAS_WORKERS)('of updateResourceGroup says what is wrong', async () => {
    const without = await start()
    await expect(without.gateway.updateResourceGroup(group)).rejects.toMatchObject({ code: 'misuse' })
    const { gateway } = await start({ resourceGroup: null })
    await expect(gateway.updateResourceGroup(group, 'two')).rejects.toMatchObject({ code: 'not_found' })
    await expect(gateway.updateResourceGroup(JSON.parse('{}'))).rejects.toMatchObject({
      code: 'value_invalid',
    })
    await gateway.updateResourceGroup(group)
    await gateway.updateResourceGroup(null)
    await expect(gateway.updateResourceGroup(group)).rejects.toMatchObject({ code: 'misuse' })
    await gateway.close()
    await expect(gateway.updateResourceGroup(new OwnGroup())).rejects.toMatchObject({ code: 'misuse' })
  })
})

/** Options of any shape as the type that callers without types would break. */
const revive = (options: object) => (key: string, value: unknown) => (key === '' ? options : value)
