/** Connections that change the engine. Both engines are on this thread: what a worker adds is in threads/. */

import { Duplex } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createLinuxEngine } from '../../../src/engine/linux/engine.js'
import type { Conn, LooseSocket, ThreadedEngine } from '../../../src/ports/engine.js'
import type { Peer } from '../../../src/testing/engine/peer.js'
import { LOOPBACK, Scene } from '../../../src/testing/engine/scene.js'
import { eventually } from '../../support/scope.js'

const isLinux = process.platform === 'linux'
const onLinux = isLinux ? '' : ' (skipped: this system is not Linux)'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (chunk: Uint8Array): string => Buffer.from(chunk).toString()

describe.skipIf(!isLinux)(`a connection of the linux engine${onLinux}`, () => {
  let giving: ThreadedEngine
  let taking: ThreadedEngine
  let scene: Scene

  beforeEach(() => {
    giving = createLinuxEngine()
    taking = createLinuxEngine()
    scene = new Scene(giving)
    scene.onClose(() => taking.close())
  })

  afterEach(() => scene.close())

  const accepted = async (): Promise<{ client: Peer; conn: Conn }> => {
    const gateway = await scene.gateway()
    const client = await scene.client(gateway.listening.address)
    return { client, conn: await gateway.accepted() }
  }

  const released = (conn: Conn): LooseSocket => {
    const loose = giving.release(conn)
    if (loose === null) throw new Error('it was closed')
    return loose
  }

  it('goes from inside onAccept to another engine, which links it', async () => {
    const upstream = await scene.upstream()
    const loose: LooseSocket[] = []
    const listening = await giving.listen({ address: LOOPBACK }, (conn) => {
      const socket = giving.release(conn)
      if (socket !== null) loose.push(socket)
    })
    const client = await scene.client(listening.address)
    client.socket.write('question')
    const socket = await eventually('it is released', () => loose[0])
    const conn = taking.receive(socket)
    taking.dial(upstream.address, { timeoutMs: 5000 }, (_error, other) => {
      if (other !== null)
        taking.link(conn, other, { onEnd: () => {} }, { idleTimeoutMs: 0, halfCloseTimeoutMs: 0 })
    })
    const server = await upstream.accepted()
    await server.has('question')
    server.socket.end('answer')
    await client.sawEnd()
    expect(client.text).toBe('answer')
  })

  it('goes from inside a dial, too', async () => {
    const upstream = await scene.upstream()
    const conns: Conn[] = []
    giving.dial(upstream.address, { timeoutMs: 5000 }, (_error, conn) => {
      const socket = conn === null ? null : giving.release(conn)
      if (socket !== null) conns.push(taking.receive(socket))
    })
    const server = await upstream.accepted()
    const conn = await eventually('it is received', () => conns[0])
    expect(conn.remote).toEqual(upstream.address)
    await conn.write(bytes('hello'))
    await server.has('hello')
    expect(conn.isIdleAndAlive()).toBe(true)
  })

  it('takes along what was read and given to nobody, before what comes later', async () => {
    const { client, conn } = await accepted()
    const upstream = await scene.upstream()
    const other = await scene.dial(upstream.address)
    const server = await upstream.accepted()
    // Bytes that a transform was still thinking about come back when the link is interrupted.
    const thinking: string[] = []
    const transform = (chunk: Uint8Array) => {
      thinking.push(text(chunk))
      return new Promise<null>(() => {})
    }
    const { link } = scene.link(conn, other, { transform })
    server.socket.write('one')
    client.socket.write('two')
    await eventually('both were read', () => thinking.length === 2)
    expect(await link.interrupt(50)).toBe('failed')
    const loose = released(conn)
    expect(loose.unread === null ? null : text(loose.unread)).toBe('two')
    expect(loose.unread?.buffer.byteLength).toBe(3)
    client.socket.write(' three')
    const received = taking.receive(structuredClone(loose))
    let got = ''
    while (got.length < 9) got += text(await received.read(100, 5000))
    expect(got).toBe('two three')
  })

  it('takes along what was put back', async () => {
    const { client, conn } = await accepted()
    client.socket.write('header+rest')
    let read = ''
    while (read.length < 11) read += text(await conn.read(100, 5000))
    conn.unread(bytes(read).subarray('header+'.length))
    const loose = released(conn)
    expect(loose.unread?.buffer.byteLength).toBe('rest'.length)
    client.socket.end(' and more')
    const received = taking.receive(structuredClone(loose))
    expect(received.isIdleAndAlive()).toBe(false)
    let got = ''
    while (got.length < 13) got += text(await received.read(100, 5000))
    expect(got).toBe('rest and more')
  })

  it('is dead to whoever held it, and its watcher is told nothing any more', async () => {
    const { client, conn } = await accepted()
    const told: string[] = []
    conn.watch((how) => told.push(how))
    const received = taking.receive(released(conn))
    const left: string[] = []
    received.watch((how) => left.push(how))
    await expect(conn.read(10, 0)).rejects.toMatchObject({ code: 'aborted' })
    await expect(conn.write(bytes('x'))).rejects.toMatchObject({ code: 'aborted' })
    expect(conn.isIdleAndAlive()).toBe(false)
    expect(giving.release(conn)).toBeNull()
    conn.destroy()
    conn.reset()
    expect(received.isIdleAndAlive()).toBe(true)
    client.socket.end()
    await eventually('the new watcher is told', () => left.length > 0)
    expect(left).toEqual(['fin'])
    expect(told).toEqual([])
  })

  it('tells the next engine when it ended or broke on the way', async () => {
    const ended = await accepted()
    const fin = released(ended.conn)
    ended.client.socket.end('last words')
    const one = taking.receive(fin)
    expect(text(await one.read(100, 5000))).toBe('last words')
    expect(await one.read(100, 5000)).toHaveLength(0)

    const broken = await accepted()
    const reset = released(broken.conn)
    broken.client.socket.resetAndDestroy()
    await broken.client.closed()
    const how: string[] = []
    taking.receive(reset).watch((left) => how.push(left))
    await eventually('the reset is told', () => how.length > 0)
    expect(how).toEqual(['reset'])
  })

  it('is closed when the engine that receives it is closed, before or after', async () => {
    const before = await accepted()
    taking.receive(released(before.conn))
    const after = await accepted()
    const loose = released(after.conn)
    await taking.close()
    await before.client.wasLeft()
    expect(taking.receive(loose).isIdleAndAlive()).toBe(false)
    await after.client.wasLeft()
  })

  it('outlives the engine that gave it away', async () => {
    const { client, conn } = await accepted()
    const received = taking.receive(released(conn))
    await giving.close()
    client.socket.write('still here')
    expect(text(await received.read(100, 5000))).toBe('still here')
  })

  it('stays when there is more to it than a descriptor', async () => {
    const misuse = (why: string) =>
      expect.objectContaining({
        code: 'misuse',
        message: `the connection cannot change the engine: ${why}`,
      })
    const reading = (await accepted()).conn
    const read = reading.read(10, 0)
    expect(() => giving.release(reading)).toThrow(misuse('it is being read'))
    const { conn: ended } = await accepted()
    ended.end()
    expect(() => giving.release(ended)).toThrow(misuse('it has ended'))
    const { conn: writing } = await accepted()
    const written = writing.write(new Uint8Array(64 * 1024 * 1024))
    expect(() => giving.release(writing)).toThrow(misuse('it has bytes to write'))
    const stream = new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() })
    const adopted = giving.adopt(stream)
    expect(() => giving.release(adopted)).toThrow(misuse('it is an adopted stream'))
    const { clientConn, upstreamConn } = await scene.relay()
    expect(() => giving.release(clientConn)).toThrow(misuse('it is linked'))
    expect(() => giving.release(upstreamConn)).toThrow(misuse('it is linked'))
    for (const conn of [reading, writing]) conn.destroy()
    await expect(read).rejects.toMatchObject({ code: 'aborted' })
    await expect(written).rejects.toMatchObject({ code: 'aborted' })
  })
})

describe.skipIf(!isLinux)(`a listener that engines share${onLinux}`, () => {
  it('is accepted from by whoever wants, and is closed by who bound it', async () => {
    const main = createLinuxEngine()
    const scene = new Scene(main)
    try {
      const listener = await main.bind({ address: LOOPBACK })
      const early = await scene.client(listener.address)
      const conns: Conn[] = []
      const listening = main.accept(structuredClone(listener), (conn) => conns.push(conn))
      await eventually('who came early is accepted', () => conns.length === 1)
      await listening.close()
      const late = await scene.client(listener.address)
      main.unbind(structuredClone(listener))
      await conns[0]?.write(bytes('still open'))
      await early.has('still open')
      main.unbind(listener)
      main.unbind(listener)
      await late.sawReset()
      const { error } = await scene.dialled(listener.address)
      expect(error).toMatchObject({ code: 'connection_refused' })
      expect(() => main.accept(listener, () => {})).toThrow(
        expect.objectContaining({ code: 'listen_failed' }),
      )
    } finally {
      await scene.close()
    }
  })

  it('lets nobody in once it was closed, though others have not stopped accepting', async () => {
    const [main, other] = [createLinuxEngine(), createLinuxEngine()]
    const scene = new Scene(main)
    try {
      const listener = await main.bind({ address: LOOPBACK })
      const conns: Conn[] = []
      const listening = other.accept(listener, (conn) => conns.push(conn))
      await scene.client(listener.address)
      await eventually('the client is accepted', () => conns.length === 1)
      listening.pause()
      const waiting = await scene.client(listener.address)
      main.unbind(listener)
      await waiting.sawReset()
      listening.resume()
      await expect(scene.client(listener.address)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
      expect(conns).toHaveLength(1)
      await listening.close()
    } finally {
      await other.close()
      await scene.close()
    }
  })

  it('has a path that goes with it, with the engine at the latest', async () => {
    const main = createLinuxEngine()
    const scene = new Scene(main)
    const path = await scene.socketPath()
    const address = { kind: 'unix', path } as const
    try {
      for (const how of ['unbind', 'close'] as const) {
        const engine = createLinuxEngine()
        const listener = await engine.bind({ address })
        expect(listener.address).toEqual(address)
        const client = await scene.client(address)
        if (how === 'unbind') engine.unbind(listener)
        else await engine.close()
        await client.wasLeft()
        await expect(scene.client(address)).rejects.toMatchObject({ code: 'ENOENT' })
        await engine.close()
      }
    } finally {
      await scene.close()
    }
  })
})
