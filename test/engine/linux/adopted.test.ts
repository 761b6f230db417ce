/** What `interrupt` leaves of an upstream that is a stream of the caller's. */

import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createLinuxEngine } from '../../../src/engine/linux/engine.js'
import type { Conn, Link } from '../../../src/ports/engine.js'
import type { Peer } from '../../../src/testing/engine/peer.js'
import { Scene } from '../../../src/testing/engine/scene.js'
import { eventually } from '../../support/scope.js'

const isLinux = process.platform === 'linux'
const onLinux = isLinux ? '' : ' (skipped: this system is not Linux)'

interface Adopted {
  readonly client: Peer
  readonly link: Link
  readonly upstream: Conn
  readonly stream: Socket
  readonly server: Peer
}

describe.skipIf(!isLinux)(`an adopted upstream of the linux engine that is interrupted${onLinux}`, () => {
  let scene: Scene

  beforeEach(() => {
    scene = new Scene(createLinuxEngine())
  })

  afterEach(() => scene.close())

  const newClient = async (): Promise<readonly [Peer, Conn]> => {
    const gateway = await scene.gateway()
    return [await scene.client(gateway.listening.address), await gateway.accepted()]
  }

  const adopted = async (): Promise<Adopted> => {
    const backend = await scene.upstream()
    const port = backend.address.kind === 'tcp' ? backend.address.port : 0
    const stream = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
    const server = await backend.accepted()
    const upstream = scene.engine.adopt(stream)
    const [client, conn] = await newClient()
    const { link } = scene.link(conn, upstream)
    client.socket.write('question')
    await server.has('question')
    server.socket.write('answer')
    await client.has('answer')
    return { client, link, upstream, stream, server }
  }

  it('is clean after an exchange, and serves the next client', async () => {
    const { client, link, upstream, server } = await adopted()
    expect(await link.interrupt(5000)).toBe('clean')
    expect(upstream.isIdleAndAlive()).toBe(true)
    client.socket.end()
    const [second, conn] = await newClient()
    const { ended } = scene.link(conn, upstream)
    second.socket.write(' again')
    await server.has('question again')
    server.socket.end('second answer')
    await second.has('second answer')
    await second.sawEnd()
    second.socket.end()
    expect((await ended).reason).toBe('upstream_fin')
    expect(client.text).toBe('answer')
  })

  it('has unread bytes when nobody took what the server sent', async () => {
    const { client, link, upstream, stream, server } = await adopted()
    link.hold()
    server.socket.write('nobody asked')
    await eventually('it arrives', () => stream.bytesRead === 'answer'.length + 'nobody asked'.length)
    expect(await link.interrupt(5000)).toBe('unread')
    let got = ''
    while (got.length < 12) got += Buffer.from(await upstream.read(100, 5000)).toString()
    expect(got).toBe('nobody asked')
    expect(client.text).toBe('answer')
  })

  it('is half-closed when the server has ended', async () => {
    const { link, upstream, stream, server } = await adopted()
    link.hold()
    server.socket.end()
    await eventually('the end arrives', () => stream.readableEnded)
    expect(await link.interrupt(5000)).toBe('half_closed')
    expect(upstream.isIdleAndAlive()).toBe(false)
  })

  it('has failed when the server has broken it', async () => {
    const { link, upstream, stream, server } = await adopted()
    link.hold()
    const closed = new Promise((resolve) => stream.once('close', resolve))
    server.socket.resetAndDestroy()
    await closed
    expect(await link.interrupt(5000)).toBe('failed')
    expect(upstream.isIdleAndAlive()).toBe(false)
  })

  it('has taken everything that was read from its client', async () => {
    const { client, link, stream, server } = await adopted()
    server.stall()
    const sent = 4 * 1024 * 1024
    client.socket.write(Buffer.alloc(sent, 'x'))
    await eventually('something was read', () => link.totals.upstream > 100_000)
    const interrupted = link.interrupt(0)
    server.socket.resume()
    const left = await interrupted
    const taken = link.totals.upstream
    expect(['clean', 'unread']).toContain(left)
    await server.hasBytes(taken)
    // Nothing more comes: what the client still sends is not the upstream's.
    await eventually('the stream has passed it on', () => stream.writableLength === 0)
    expect(server.received).toBe(taken)
  })
})
