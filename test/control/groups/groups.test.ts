import { Buffer } from 'node:buffer'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createDefaultResourceGroup } from '../../../src/record.js'
import { openRecording } from '../../../src/recording.js'
import { payload } from '../../support/payload.js'
import { expectSameBytes, expectSound } from '../../support/recording.js'
import { eventually } from '../../support/scope.js'
import { collectStreams } from '../../support/streams.js'
import { gate, HAS_WORKERS, Heard, OwnGroup, start } from './start.js'

/** With everything in it that frames have to escape. */
const HOSTILE = Buffer.from('\nt\n\nt--benbens--\nt\n\n\nt\0...\n')

describe('what connections say', () => {
  it('is handed to the group of their listener, each direction whole and in order', async () => {
    const tenants = { a: new OwnGroup(), b: new OwnGroup() }
    const { client, gateway } = await start({ listeners: ['a', 'b'], resourceGroups: tenants })
    const clients = [await client('a'), await client('b'), await client('a')]
    for (let round = 0; round < 20; round++)
      for (const [n, each] of clients.entries()) await each.say(payload(n * 100 + round, 1 + round * 97))
    await clients[0]?.say(HOSTILE)
    for (const each of clients) await each.end()
    await gateway.close()
    for (const [n, { port, said }] of clients.entries()) {
      const { heard } = n === 1 ? tenants.b : tenants.a
      expect(heard.saidBy(port).equals(said)).toBe(true)
      expect(heard.saidTo(port).equals(said)).toBe(true)
    }
    expect(tenants.a.connections.map(({ listener }) => listener)).toEqual(['a', 'a'])
    expect(tenants.b.connections).toHaveLength(1)
    for (const { ended, closes, openAtClose, connections } of [tenants.a, tenants.b])
      expect([ended.length, closes, openAtClose]).toEqual([connections.length, 1, 0])
    const bytes = 2 * clients.reduce((sum, { said }) => sum + said.length, 0)
    expect(gateway.counters().resources).toMatchObject({
      connections: 3,
      seenBytes: bytes,
      storedBytes: bytes,
      lostBytes: 0,
      functionFailures: 0,
      openConnections: 0,
    })
  })

  it('goes to one resource per client with the default group, let go of when none of its connections is left', async () => {
    const heard = new Map<string, Heard>()
    const reclaimed: string[] = []
    const group = createDefaultResourceGroup({
      newResource: (_context, from) => {
        const own = new Heard()
        heard.set(from, own)
        return { writeFunction: (framed) => own.add(framed), kind: from }
      },
      onReclaim: ({ kind }) => reclaimed.push(kind ?? ''),
    })
    const { client, gateway } = await start({ resourceGroup: group })
    const clients = [
      await client('one', '127.0.0.2'),
      await client('one', '127.0.0.3'),
      await client('one', '127.0.0.2'),
    ]
    for (const each of clients) await each.say(payload(each.port, 500))
    await eventually('all clients to be known', () => group.size === 2)
    expect(group.checkLocks()).toBe(0)
    await clients[1]?.end()
    await clients[2]?.end()
    await eventually('the client to be let go of', () => group.checkLocks() === 1)
    expect(reclaimed).toEqual(['127.0.0.3'])
    await clients[0]?.end()
    await gateway.close()
    for (const [n, { port, said }] of clients.entries()) {
      const own = heard.get(n === 1 ? '127.0.0.3' : '127.0.0.2')
      expect(own?.saidBy(port).equals(said)).toBe(true)
      expect(own?.saidTo(port).equals(said)).toBe(true)
    }
    expect(heard.size).toBe(2)
  })

  it.skipIf(HAS_WORKERS)('waits while a group finds its resource, and misses nothing', async () => {
    const found = gate()
    const heard = new Heard()
    const resourceGroup = {
      getResource: async () => {
        await found.opened
        return { resource: { writer: { write: (framed: Uint8Array) => heard.add(framed) } } }
      },
    }
    const { client, gateway } = await start({ resourceGroup })
    const one = await client()
    await one.say(payload(1, 2000))
    found.open()
    await one.end()
    await gateway.close()
    expect(heard.saidBy(one.port).equals(one.said)).toBe(true)
  })

  it('is in the file of the config too, and what that leaves out is not handed over either', async () => {
    const group = new OwnGroup()
    const { scope, client, gateway } = await start({
      resourceGroup: group,
      top: (scope) => ({
        record: {
          file: join(scope.tempDir(), 'both.pcapng'),
          maxBytes: 100,
          redact: [{ pattern: 'secret' }],
        },
      }),
    })
    const one = await client()
    await one.say(Buffer.from(' no secret here '))
    await one.say(payload(1, 5000))
    await one.end()
    await gateway.close()
    const kept = Buffer.from(
      one.said.subarray(0, 100).toString('latin1').replace('secret', '******'),
      'latin1',
    )
    for (const heard of [group.heard.saidBy(one.port), group.heard.saidTo(one.port)])
      expect(heard.toString('latin1').replace(/[^ -~]/g, '.')).toBe(
        kept.toString('latin1').replace(/[^ -~]/g, '.'),
      )
    const { recording, resources } = gateway.counters()
    expect(recording).toMatchObject({ storedBytes: 200, lostBytes: 0 })
    expect(resources).toMatchObject({ storedBytes: 200, cutBytes: recording?.cutBytes, lostBytes: 0 })
    expect(scope).toBeDefined()
  })
})

const eventsOf = async (file: string) => {
  const recording = await openRecording(file)
  const streams = collectStreams()
  const ends: string[] = []
  const listeners = new Map<number, string | undefined>()
  const closes: string[] = []
  for await (const event of recording.events()) {
    if (event.kind === 'open') {
      ends.push(event.client)
      listeners.set(event.connection, event.listener)
    }
    if (event.kind === 'close') closes.push(`${listeners.get(event.connection)}: ${event.annotation?.reason}`)
    if (event.kind === 'data') streams.sink.push(event.connection, event.direction, event.bytes)
  }
  expect(recording.damage).toBe(null)
  return { format: recording.format, ends, streams: streams.streams(), closes }
}

describe.skipIf(HAS_WORKERS)('a file as the writer of a group', () => {
  const record = async (format: 'gogetway' | 'pcapng') => {
    const { scope, client, gateway } = await start({
      resourceGroup: null,
      resourceOptions: { format },
    })
    const file = join(scope.tempDir(), 'frames')
    await gateway.updateResourceGroup(
      createDefaultResourceGroup({ writer: createWriteStream(file), endWriter: true }),
    )
    const clients = [await client('one', '127.0.0.2'), await client('one', '127.0.0.3')]
    for (const [n, each] of clients.entries()) {
      await each.say(HOSTILE)
      await each.say(payload(n, 300_000))
    }
    for (const each of clients) await each.end()
    await gateway.close()
    expect(gateway.counters().resources).toMatchObject({ functionFailures: 0, lostBytes: 0 })
    return { file, clients }
  }

  it('is a recording of gogetway, which holds what was said', async () => {
    const { file, clients } = await record('gogetway')
    const { format, ends, streams } = await eventsOf(file)
    expect(format).toBe('gogetway')
    expect(ends).toHaveLength(2)
    for (const { host, port, said } of clients) {
      const stream = streams.get(ends.indexOf(`${host}:${port}`) + 1)
      expectSameBytes(stream?.upstream ?? Buffer.alloc(0), said, `what ${port} said`)
      expectSameBytes(stream?.downstream ?? Buffer.alloc(0), said, `what ${port} was told`)
    }
  })

  it('is a recording as pcapng, with its ledger, and sound for tshark', async () => {
    const { file, clients } = await record('pcapng')
    const { format, ends, streams, closes } = await eventsOf(file)
    expect(format).toBe('pcapng')
    await expectSound(file)
    for (const { host, port, said } of clients) {
      const stream = streams.get(ends.indexOf(`${host}:${port}`) + 1)
      expectSameBytes(stream?.upstream ?? Buffer.alloc(0), said, `what ${port} said`)
      expectSameBytes(stream?.downstream ?? Buffer.alloc(0), said, `what ${port} was told`)
    }
    expect(closes).toEqual(['one: client_fin', 'one: client_fin'])
  })
})
