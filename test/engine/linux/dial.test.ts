import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createLinuxEngine } from '../../../src/engine/linux/engine.js'
import type { Conn } from '../../../src/ports/engine.js'
import type { Peer } from '../../../src/testing/engine/peer.js'
import { LOOPBACK, Scene } from '../../../src/testing/engine/scene.js'
import { deferred, within } from '../../../src/testing/wait.js'

const isLinux = process.platform === 'linux'
const onLinux = isLinux ? '' : ' (skipped: this system is not Linux)'

describe.skipIf(!isLinux)(`a dial that knows its client${onLinux}`, () => {
  let scene: Scene

  beforeEach(() => {
    scene = new Scene(createLinuxEngine())
  })

  afterEach(() => scene.close())

  /** Dials from inside `onAccept`, when nothing is known of the client yet; and what came of it. */
  const start = async (early: string) => {
    const upstream = await scene.upstream()
    const dialled = deferred<readonly [Conn, Conn]>()
    const listening = await scene.engine.listen({ address: LOOPBACK }, (client) => {
      const done = (error: Error | null, conn: Conn | null): void =>
        conn === null
          ? dialled.reject(error ?? new Error('neither a conn nor an error'))
          : dialled.resolve([client, conn])
      scene.engine.dial(upstream.address, { timeoutMs: 5000 }, done, client)
    })
    const client = await scene.client(listening.address)
    client.socket.write(early)
    const conns = await within(dialled.promise, 'the dial is over')
    const server: Peer = await upstream.accepted()
    return { client, server, conns }
  }

  it('passes on what the client has sent by then', async () => {
    const { client, server, conns } = await start('early')
    scene.link(...conns)
    await server.has('early')
    server.socket.write('reply')
    await client.has('reply')
  })

  it('lets a server speak first to a client that says nothing', async () => {
    const { client, server, conns } = await start('')
    scene.link(...conns)
    server.socket.write('welcome')
    await client.has('welcome')
  })

  it('is known to the server even if nothing is sent', async () => {
    // That `start` has met the server is the point.
    const { client, server } = await start('early')
    expect(server.received).toBe(0)
    expect(client.received).toBe(0)
  })

  it('is cancelled before it has a socket', async () => {
    const upstream = await scene.upstream()
    let calls = 0
    const cancelled = deferred<void>()
    const listening = await scene.engine.listen({ address: LOOPBACK }, (client) => {
      scene.engine.dial(upstream.address, { timeoutMs: 5000 }, () => calls++, client).cancel()
      client.destroy()
      cancelled.resolve()
    })
    const client = await scene.client(listening.address)
    await within(cancelled.promise, 'the client is accepted')
    await client.wasLeft()
    const other = await scene.dial(upstream.address)
    expect(other.isIdleAndAlive()).toBe(true)
    expect(calls).toBe(0)
  })
})
