/** The engine is closed while it is at work: from inside its own callbacks, where epoll and libuv are not done yet. */

import { readdirSync } from 'node:fs'
import { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { createLinuxEngine } from '../../../src/engine/linux/engine.js'
import type { ThreadedEngine } from '../../../src/ports/engine.js'
import { LOOPBACK, NO_LIMITS, Scene } from '../../../src/testing/engine/scene.js'
import { eventually } from '../../support/scope.js'

const isLinux = process.platform === 'linux'
const onLinux = isLinux ? '' : ' (skipped: this system is not Linux)'

const openDescriptors = (): number => (isLinux ? readdirSync('/proc/self/fd').length : 0)

/** Plays with an engine that is closed by the play; everything has to be closed afterwards, and a new engine has to work. */
const withClosing = async (
  play: (scene: Scene, engine: ThreadedEngine, close: () => void) => Promise<void>,
): Promise<void> => {
  const before = openDescriptors()
  const engine = createLinuxEngine()
  const scene = new Scene(engine)
  let closed: Promise<void> | undefined
  await play(scene, engine, () => {
    closed = engine.close()
  })
  await eventually('the engine was closed', () => closed !== undefined)
  await closed
  await scene.close()
  await eventually('every descriptor is closed', () => openDescriptors() <= before)
  const next = new Scene(createLinuxEngine())
  const { client, server } = await next.relay()
  client.socket.write('works')
  await server.has('works')
  await next.close()
}

describe.skipIf(!isLinux)(`the linux engine${onLinux}`, () => {
  it('can be closed by who accepts, with others in the queue', () =>
    withClosing(async (scene, engine, close) => {
      const { address } = await engine.listen({ address: LOOPBACK }, close)
      const clients = Array.from({ length: 5 }, () => scene.peer(new Socket({ allowHalfOpen: true })))
      const port = address.kind === 'tcp' ? address.port : 0
      for (const { socket } of clients) socket.connect({ host: '127.0.0.1', port })
      await Promise.all(clients.map((client) => client.wasLeft()))
    }))

  it('can be closed by who dials', () =>
    withClosing(async (scene, engine, close) => {
      const upstream = await scene.upstream()
      engine.dial(upstream.address, { timeoutMs: 5000 }, close)
      await (await upstream.accepted()).wasLeft()
    }))

  it('can be closed by who observes a link, with other links at work', () =>
    withClosing(async (scene, _engine, close) => {
      const busy = await scene.relay()
      busy.client.pour(new Uint8Array(65_536), () => false)
      await busy.server.hasBytes(1024 * 1024)
      const { client } = await scene.relay({ onData: close })
      client.socket.write('close')
      await Promise.all([client.wasLeft(), busy.client.wasLeft()])
      expect((await busy.ended).reason).not.toBeNull()
    }))

  it('can be closed by who watches, and by who reads', async () => {
    await withClosing(async (scene, _engine, close) => {
      const gateway = await scene.gateway()
      const client = await scene.client(gateway.listening.address)
      const conn = await gateway.accepted()
      conn.watch(close)
      client.socket.end()
      await client.wasLeft()
    })
    await withClosing(async (scene, _engine, close) => {
      const gateway = await scene.gateway()
      const client = await scene.client(gateway.listening.address)
      const conn = await gateway.accepted()
      const read = conn.read(10, 0).then(close)
      client.socket.write('x')
      await read
      await client.wasLeft()
    })
  })

  it('can be closed by an end of a link, and twice at once', () =>
    withClosing(async (scene, engine, close) => {
      const upstream = await scene.upstream()
      const gateway = await scene.gateway()
      const client = await scene.client(gateway.listening.address)
      const conn = await gateway.accepted()
      const other = await scene.dial(upstream.address)
      const onEnd = (): void => {
        close()
        void engine.close()
      }
      engine.link(conn, other, { onEnd }, NO_LIMITS)
      client.socket.resetAndDestroy()
      await (await upstream.accepted()).wasLeft()
    }))
})
