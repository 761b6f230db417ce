import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { GatewayConfigInput } from '../../src/config/config.js'
import { createGateway, type Gateway } from '../../src/control/gateway.js'
import { createPcapngReader } from '../../src/core/codec/pcapng/reader.js'
import type { PerDirection } from '../../src/core/direction.js'
import { type CloseAnnotation, decodeAnnotation } from '../../src/core/record/annotation.js'
import { openRecording } from '../../src/recording.js'
import { waysToCut } from '../support/canary.js'
import { expectVerified } from '../support/recording.js'
import { eventually, type Scope, testScope, within } from '../support/scope.js'
import { SETTING } from '../support/setting.js'
import { dial, freePort, LOOPBACK, startServer } from '../support/sockets.js'
import { collectStreams } from '../support/streams.js'
import { listening, portIn, startRecorder, startTidegate } from '../support/tidegate.js'

const startEcho = (scope: Scope) => startServer(scope, (socket) => socket.pipe(socket))

/** Says it, and waits until all of it has come back: then it has passed the gateway both ways. */
const say = async (socket: Socket, text: string): Promise<void> => {
  socket.write(text)
  for (let missing = text.length; missing > 0; ) {
    const chunk: Buffer | null = socket.read()
    if (chunk === null) await within(5000, 'an echo', once(socket, 'readable'))
    else missing -= chunk.length
  }
}

const hangUp = async (socket: Socket): Promise<void> => {
  const ended = once(socket, 'close')
  socket.resume().end()
  await within(5000, 'the end', ended)
}

/** A gateway in this process that records what an echo says, and what `record` says of it. */
const startRecording = async (scope: Scope, record: object, startPeer = startEcho) => {
  const echo = await startPeer(scope)
  const file = join(scope.tempDir(), 'recording.pcapng')
  const config = (change: object = {}): GatewayConfigInput => ({
    ...SETTING,
    listeners: [
      { name: 'echo', listen: `${LOOPBACK}:0`, upstream: `${LOOPBACK}:${echo.port}`, record: change },
    ],
    record: { file, ...record },
  })
  const gateway = await createGateway(config())
  scope.defer(() => gateway.destroy())
  const [listener] = gateway.listeners
  const port = listener?.address.kind === 'tcp' ? listener.address.port : 0
  return { gateway, config, file, port }
}

const closesOf = (file: string): readonly CloseAnnotation[] => {
  const reader = createPcapngReader()
  return [...reader.push(readFileSync(file)), ...reader.end()]
    .flatMap((record) => (record.kind === 'packet' ? record.comments.map(decodeAnnotation) : []))
    .filter((annotation) => annotation?.kind === 'close')
}

/** What the file has of every connection, and of its client. */
const streamsOf = async (file: string): Promise<readonly (PerDirection<string> & { client: string })[]> => {
  const { sink, streams } = collectStreams()
  const clients = new Map<number, string>()
  const recording = await openRecording(file)
  for await (const event of recording.events()) {
    if (event.kind === 'open') {
      sink.begin(event.connection)
      clients.set(event.connection, String(event.client))
    }
    if (event.kind === 'data') sink.push(event.connection, event.direction, event.bytes)
  }
  expect(recording.damage).toBeNull()
  return Array.from(streams(), ([connection, { upstream, downstream }]) => ({
    client: clients.get(connection) ?? '',
    upstream: upstream.toString('latin1'),
    downstream: downstream.toString('latin1'),
  }))
}

/** The counters, once the connections are over and what they said is accounted for. */
const settled = (gateway: Gateway, connections: number) =>
  eventually('all to be accounted for', () => {
    const counters = gateway.counters().recording
    if (counters === null) throw new Error('nothing is recorded')
    const { seenBytes, storedBytes, lostBytes, cutBytes } = counters
    const isSettled = counters.connections === connections && seenBytes === storedBytes + lostBytes + cutBytes
    return isSettled ? counters : null
  })

/** Enough that each of several threads has some. */
const CLIENTS = 6

describe('a recording that is switched', () => {
  it('leaves out what is said meanwhile, on every thread, and no connection notices', async () => {
    const ends = testScope()
    const { gateway, file, port } = await startRecording(ends, {})
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => dial(ends, port)))
    const allSay = (text: string) => Promise.all(clients.map((client) => say(client, text)))
    await allSay('one ')
    expect(gateway.listeners[0]?.recording).toBe(true)
    gateway.setRecording('echo', false)
    expect(gateway.listeners[0]?.recording).toBe(false)
    await allSay('two ')
    const unseen = await dial(ends, port)
    await say(unseen, 'nothing of this')
    gateway.setRecording('echo', true)
    await allSay('three')
    await say(unseen, 'nor of this')
    await Promise.all([...clients, unseen].map(hangUp))
    expect(await settled(gateway, CLIENTS)).toMatchObject({
      storedBytes: CLIENTS * 18,
      lostBytes: 0,
      cutBytes: CLIENTS * 8,
    })
    await gateway.close()
    const said = (await streamsOf(file)).map(({ upstream, downstream }) => [upstream, downstream])
    expect(said).toEqual(Array(CLIENTS).fill(['one three', 'one three']))
    const cut = [{ at: 4, length: 4, why: 'switched off' }]
    expect(closesOf(file)).toHaveLength(CLIENTS)
    for (const { upstream, downstream } of closesOf(file))
      expect([upstream, downstream]).toEqual(Array(2).fill({ seen: 13, stored: 9, lost: [], cut }))
    await expectVerified(file)
  })

  it('is switched by a reload that says so, and by no other', async () => {
    const ends = testScope()
    const { gateway, config, file, port } = await startRecording(ends, {})
    const client = await dial(ends, port)
    await say(client, 'a')
    await gateway.reload(config({ enabled: false }))
    await say(client, 'b')
    gateway.setRecording('echo', true)
    await gateway.reload(config({ enabled: false, maxBytes: 0 }))
    expect(gateway.listeners[0]?.recording).toBe(true)
    await say(client, 'c')
    const later = await dial(ends, port)
    await say(later, 'd')
    await Promise.all([client, later].map(hangUp))
    await settled(gateway, 2)
    await gateway.close()
    expect((await streamsOf(file)).map(({ upstream }) => upstream)).toEqual(['ac', ''])
  })

  it('is refused for a listener that is not there, or not to be recorded', async () => {
    const ends = testScope()
    const { gateway, config } = await startRecording(ends, {})
    expect(() => gateway.setRecording('nobody', true)).toThrow(expect.objectContaining({ code: 'not_found' }))
    await gateway.reload({ ...config(), listeners: [{ ...config().listeners[0]!, record: false }] })
    expect(gateway.listeners[0]?.recording).toBeNull()
    expect(() => gateway.setRecording('echo', true)).toThrow(expect.objectContaining({ code: 'misuse' }))
  })

  it('follows the config file of a running command', async () => {
    const ends = testScope()
    const echo = await startEcho(ends)
    const [file, path] = [join(ends.tempDir(), 'x.pcapng'), join(ends.tempDir(), 'tidegate.yaml')]
    const port = await freePort()
    const write = (enabled: boolean): void =>
      writeFileSync(
        path,
        `record: { file: ${file} }
listeners:
  - { name: echo, listen: '${LOOPBACK}:${port}', upstream: '${LOOPBACK}:${echo.port}', record: { enabled: ${enabled} } }
`,
      )
    write(true)
    const gateway = startTidegate(ends, ['serve', path])
    expect(portIn((await listening(gateway)).get('echo') ?? '')).toBe(port)
    const client = await dial(ends, port)
    await say(client, 'kept ')
    write(false)
    gateway.daemon.child.kill('SIGHUP')
    await gateway.lines('the reload', ({ msg }) => msg === 'config reloaded')
    expect(gateway.log.map(({ msg }) => msg)).toContain('recording switched off')
    await say(client, 'not kept')
    await hangUp(client)
    await gateway.closed(1)
    expect(await gateway.finish()).toBe(0)
    expect((await streamsOf(file)).map(({ upstream }) => upstream)).toEqual(['kept '])
  }, 60_000)
})

describe('a recording of a part', () => {
  it('has the clients that it is to have, and the first bytes of what they say', async () => {
    const ends = testScope()
    const record = { allow: ['127.0.0.0/28'], deny: ['127.0.0.9'], maxBytes: 6 }
    const { gateway, file, port } = await startRecording(ends, record)
    for (const localAddress of ['127.0.0.2', '127.0.0.9', '127.0.0.77', '127.0.0.3']) {
      const client = connect({ port, host: LOOPBACK, localAddress, allowHalfOpen: true })
      ends.defer(() => client.destroy())
      await once(client, 'connect')
      await say(client, 'the first and the rest')
      await hangUp(client)
    }
    expect(await settled(gateway, 2)).toMatchObject({ storedBytes: 24, cutBytes: 64 })
    await gateway.close()
    const streams = await streamsOf(file)
    expect(streams.map(({ client }) => client.split(':')[0]).sort()).toEqual(['127.0.0.2', '127.0.0.3'])
    for (const { upstream, downstream } of streams)
      expect([upstream, downstream]).toEqual(['the fi', 'the fi'])
    for (const { upstream } of closesOf(file))
      expect(upstream.cut).toEqual([{ at: 6, length: 16, why: 'first 6 B' }])
    await expectVerified(file)
  })

  it('has all connections of a client or none', async () => {
    const ends = testScope()
    const { gateway, file, port } = await startRecording(ends, { sample: 0.5 })
    const hosts = Array.from({ length: 12 }, (_, n) => `127.0.1.${n + 1}`)
    for (const localAddress of [...hosts, ...hosts]) {
      const client = connect({ port, host: LOOPBACK, localAddress, allowHalfOpen: true })
      ends.defer(() => client.destroy())
      await once(client, 'connect')
      await say(client, 'x')
      await hangUp(client)
    }
    await gateway.close()
    const recorded = (await streamsOf(file)).map(({ client }) => client.split(':')[0] ?? '')
    const times = hosts.map((host) => recorded.filter((each) => each === host).length)
    expect(new Set(times)).toEqual(new Set([0, 2]))
  })
})

/** `count` connections, a few at a time, each from the host that `hostOf` gives it; each says `words`, one after the other. */
const crowd = async (
  scope: Scope,
  port: number,
  { count, hostOf, words }: { count: number; hostOf: (n: number) => string; words: readonly string[] },
): Promise<void> => {
  let next = 0
  const some = async (): Promise<void> => {
    while (next < count) {
      const client = connect({ port, host: LOOPBACK, localAddress: hostOf(next++), allowHalfOpen: true })
      scope.defer(() => client.destroy())
      await within(5000, 'a connection', once(client, 'connect'))
      for (const word of words) await say(client, word)
      await hangUp(client)
    }
  }
  await Promise.all(Array.from({ length: 16 }, some))
}

const MANY = 160
/** What a fair coin does not leave in 10^8 runs: six times the deviation. */
const boundsOf = (part: number): readonly [number, number] => {
  const spread = 6 * Math.sqrt(MANY * part * (1 - part))
  return [MANY * part - spread, MANY * part + spread]
}

describe('a sample of many connections', () => {
  it.each([
    ['random', 0.5, () => LOOPBACK],
    ['client', 0.3, (n: number) => `127.0.2.${n + 1}`],
  ] as const)(
    'by %s has about its part, each of those from its beginning to its end',
    async (sampleBy, sample, hostOf) => {
      const ends = testScope()
      const { gateway, file, port } = await startRecording(ends, { sample, sampleBy })
      await crowd(ends, port, { count: MANY, hostOf, words: ['one ', 'two ', 'three'] })
      await gateway.close()
      const streams = await streamsOf(file)
      const [least, most] = boundsOf(sample)
      expect(streams.length).toBeGreaterThan(least)
      expect(streams.length).toBeLessThan(most)
      for (const { upstream, downstream } of streams)
        expect([upstream, downstream]).toEqual(['one two three', 'one two three'])
      expect(closesOf(file)).toHaveLength(streams.length)
      expect(gateway.counters().recording).toMatchObject({
        connections: streams.length,
        cutBytes: 0,
        lostBytes: 0,
      })
      await expectVerified(file)
    },
  )
})

describe('the first bytes of each direction', () => {
  const CANARY = 'CANARY-OF-THE-PAYLOAD'
  const ANSWER = CANARY.repeat(50)
  /** Answers whatever comes at length, and ends when its client does. */
  const startTalker = (scope: Scope) =>
    startServer(scope, (socket) => {
      socket.once('data', () => socket.write(ANSWER))
      socket.on('end', () => socket.end())
    })
  const ask = async (scope: Scope, port: number, question: string): Promise<void> => {
    const client = await dial(scope, port)
    client.write(question)
    let heard = ''
    client.on('data', (chunk: Buffer) => {
      heard += chunk
    })
    await eventually('the answer', () => heard.length >= ANSWER.length)
    expect(heard).toBe(ANSWER)
    await hangUp(client)
  }

  it.each([
    ['none, as metadata only', 0, 'metadata only'],
    ['within a packet', 10, 'first 10 B'],
    ['up to all but one', ANSWER.length - 1, `first ${ANSWER.length - 1} B`],
    ['more than there are', ANSWER.length, null],
  ])('%s: the rest is in no file, and in the ledger as cut', async (_, maxBytes, why) => {
    const ends = testScope()
    const { gateway, file, port } = await startRecording(ends, { maxBytes }, startTalker)
    await ask(ends, port, CANARY)
    await settled(gateway, 1)
    await gateway.close()
    const entryOf = (said: string) => {
      const stored = Math.min(maxBytes, said.length)
      const cut = [{ at: stored, length: said.length - stored, why }]
      return { seen: said.length, stored, lost: [], ...(stored < said.length ? { cut } : {}) }
    }
    expect(closesOf(file)).toMatchObject([{ upstream: entryOf(CANARY), downstream: entryOf(ANSWER) }])
    expect((await streamsOf(file)).map(({ upstream, downstream }) => [upstream, downstream])).toEqual([
      [CANARY.slice(0, maxBytes), ANSWER.slice(0, maxBytes)],
    ])
    // A letter or two may be there by chance.
    if (maxBytes < CANARY.length)
      expect(readFileSync(file, 'latin1')).not.toContain(CANARY.slice(0, Math.max(maxBytes + 1, 8)))
    // Once is enough: it is a program of its own.
    if (maxBytes === 0) await expectVerified(file)
  })
})

describe('a secret', { retry: 0 }, () => {
  it('is nowhere in the recording and the log, however it comes in pieces, and the upstream gets it whole', async () => {
    const ends = testScope()
    const heard: Buffer[][] = []
    const echo = await startServer(ends, (socket) => {
      const chunks: Buffer[] = []
      heard.push(chunks)
      socket.pipe(socket)
      socket.on('data', (chunk) => chunks.push(chunk))
    })
    const secret = 'CANARY7'
    const ways = waysToCut(secret)
    const args = ['--redact', 'canary[0-9]', '--redact', 'CANARY[0-9]', '--log-level', 'debug']
    const gateway = await startRecorder(ends, echo.port, { args })
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => dial(ends, gateway.port)))
    const speak = async (client: Socket, n: number): Promise<void> => {
      for (const pieces of ways.filter((_, way) => way % CLIENTS === n)) {
        for (const piece of pieces) await say(client, piece)
        await say(client, ' CANARY said ')
      }
      await hangUp(client)
    }
    await Promise.all(clients.map(speak))
    await gateway.closed(CLIENTS)
    expect(await gateway.finish()).toBe(0)

    const streams = await streamsOf(gateway.file)
    const stored = streams.flatMap(({ upstream, downstream }) => [upstream, downstream])
    const count = (text: string, of: string): number => text.split(of).length - 1
    expect(count(stored.join('\n'), secret)).toBe(0)
    expect(count(stored.join('\n'), '******* CANARY said ')).toBe(2 * ways.length)
    expect(count(readFileSync(gateway.file, 'latin1'), secret)).toBe(0)
    expect(count(JSON.stringify([gateway.log, gateway.noise]), secret)).toBe(0)
    const said = Array.from({ length: CLIENTS }, (_, n) =>
      `${secret} CANARY said `.repeat(ways.filter((_, way) => way % CLIENTS === n).length),
    )
    expect(heard.map((chunks) => Buffer.concat(chunks).toString()).sort()).toEqual(said.sort())
  }, 60_000)
})
