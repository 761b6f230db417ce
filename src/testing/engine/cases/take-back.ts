/** What taking an upstream back from its client needs: `left`, `confirm`, `isAnswered`, `keepEnd`, `passEnd`. */

import assert from 'node:assert/strict'
import type { Conn, Link, LinkOptions, UpstreamLeft } from '../../../ports/engine.js'
import { deferred, until, untilStill, within } from '../../wait.js'
import { type CaseTemplate, engineCase } from '../case.js'
import { bytesOf, PATIENCE_MS, textOf } from '../pair.js'
import type { Peer } from '../peer.js'
import { NO_LIMITS, type Relay, type Scene } from '../scene.js'

const dialledPair = async (scene: Scene): Promise<{ readonly conn: Conn; readonly server: Peer }> => {
  const upstream = await scene.upstream()
  const conn = await scene.dial(upstream.address)
  return { conn, server: await upstream.accepted() }
}

/** What the other side did just now may be on its way for a moment. */
const confirms = async (conn: Conn, expected: UpstreamLeft): Promise<void> => {
  let last: UpstreamLeft | null = null
  const asked = async (): Promise<boolean> => {
    last = await conn.confirm()
    return last === expected
  }
  for (let isSo = await asked(), asks = 0; !isSo; isSo = await asked()) {
    assert.ok(++asks < 1000, `${expected} was expected, not ${last}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  assert.equal(conn.left(), expected)
}

/** A relay that keeps the client's end. `kept` resolves when it has. */
const keeping = async (
  scene: Scene,
  options: LinkOptions = NO_LIMITS,
): Promise<Relay & { readonly kept: Promise<void> }> => {
  const kept = deferred<void>()
  let link: Link | null = null
  const relay = await scene.relay(
    {
      onEndOfStream: (direction) => {
        if (direction !== 'upstream') return
        link?.keepEnd()
        kept.resolve()
      },
    },
    options,
  )
  link = relay.link
  return { ...relay, kept: within(kept.promise, "the client's end is seen") }
}

/** One round trip, so that whatever was sent before has arrived. */
const exchange = async ({ client, server }: Relay, request: string, reply: string): Promise<void> => {
  const [atServer, atClient] = [server.text, client.text]
  client.socket.write(request)
  await server.has(atServer + request)
  server.socket.write(reply)
  await client.has(atClient + reply)
}

export const takeBackCases: readonly CaseTemplate[] = [
  engineCase('left and confirm tell what the other side of an idle connection has done', async (scene) => {
    const { conn, server } = await dialledPair(scene)
    assert.equal(conn.left(), 'clean')
    assert.equal(await conn.confirm(), 'clean')
    server.socket.write('late')
    await confirms(conn, 'unread')
    assert.equal(textOf(await conn.read(100, PATIENCE_MS)), 'late')
    await confirms(conn, 'clean')
    server.socket.end()
    await confirms(conn, 'half_closed')
    conn.destroy()
    assert.equal(conn.left(), 'failed')
    assert.equal(await conn.confirm(), 'failed')
  }),

  engineCase('an end behind unread bytes is found out', async (scene) => {
    const { conn, server } = await dialledPair(scene)
    server.socket.end('goodbye')
    await confirms(conn, 'half_closed')
    assert.equal(textOf(await conn.read(100, PATIENCE_MS)), 'goodbye')
  }),

  engineCase(
    'a connection that has ended itself is half_closed, one that was reset has failed',
    async (scene) => {
      const ended = await dialledPair(scene)
      ended.conn.end()
      await confirms(ended.conn, 'half_closed')
      const reset = await dialledPair(scene)
      reset.server.socket.resetAndDestroy()
      await confirms(reset.conn, 'failed')
    },
  ),

  engineCase('confirm knows what was sent before it was asked', async (scene) => {
    const { conn, server } = await dialledPair(scene)
    for (let round = 0; round < 50; round++) {
      // It is written at once: loopback has it before this returns.
      server.socket.write('!')
      assert.equal(await conn.confirm(), 'unread')
      await conn.read(1, PATIENCE_MS)
      assert.equal(await conn.confirm(), 'clean')
    }
  }),

  engineCase('confirm meets the bytes of a unix socket, and its end', async (scene) => {
    const path = await scene.socketPath()
    const upstream = await scene.upstream({ kind: 'unix', path })
    const conn = await scene.dial(upstream.address)
    const server = await upstream.accepted()
    assert.equal(await conn.confirm(), 'clean')
    server.socket.write('x')
    await confirms(conn, 'unread')
    await conn.read(1, PATIENCE_MS)
    server.socket.end()
    await confirms(conn, 'half_closed')
  }),

  engineCase('a link is answered until a request moves, and again when the reply has', async (scene) => {
    const relay = await scene.relay()
    const { client, server, link } = relay
    assert.equal(link.isAnswered(), true)
    client.socket.write('request')
    await server.has('request')
    assert.equal(link.isAnswered(), false)
    server.socket.write('reply')
    await client.has('reply')
    assert.equal(link.isAnswered(), true)
    client.socket.write('!')
    await server.has('request!')
    assert.equal(link.isAnswered(), false)
  }),

  engineCase('a link is not answered while the client has not taken the reply', async (scene) => {
    const relay = await scene.relay()
    const { client, server, link } = relay
    await exchange(relay, 'request', 'reply')
    client.stall()
    server.socket.write(Buffer.alloc(64 * 1024 * 1024))
    await untilStill(() => link.totals.downstream, 200, 'the client takes no more')
    assert.equal(link.isAnswered(), false)
    client.socket.resume()
    await client.hasBytes(64 * 1024 * 1024)
    await until(() => link.isAnswered(), 'the link is answered')
  }),

  engineCase('a link is not answered while bytes wait for a hold to end', async (scene) => {
    const relay = await scene.relay()
    const { client, server, link } = relay
    await exchange(relay, 'request', 'reply')
    link.hold()
    server.socket.write(', and more')
    await until(() => !link.isAnswered(), 'the link is not answered')
    link.release()
    await client.has('reply, and more')
    await until(() => link.isAnswered(), 'the link is answered')
  }),

  engineCase('a link is not answered while a transform decides on the reply', async (scene) => {
    const [asked, decision] = [deferred<void>(), deferred<Uint8Array>()]
    const { client, server, link } = await scene.relay({
      transform: () => {
        asked.resolve()
        return decision.promise
      },
    })
    server.socket.write('?')
    await within(asked.promise, 'the transform is asked')
    assert.equal(link.isAnswered(), false)
    decision.resolve(bytesOf('decided'))
    await client.has('decided')
    assert.equal(link.isAnswered(), true)
  }),

  engineCase('a link whose upstream has ended is not answered', async (scene) => {
    const relay = await scene.relay()
    await exchange(relay, 'request', 'reply')
    relay.server.socket.end()
    await relay.client.sawEnd()
    assert.equal(relay.link.isAnswered(), false)
  }),

  engineCase("a kept end stays here, while the upstream's bytes go on to the client", async (scene) => {
    const relay = await keeping(scene)
    await exchange(relay, 'request', 'reply')
    relay.client.socket.end()
    await relay.kept
    relay.server.socket.write(' more')
    await relay.client.has('reply more')
    assert.equal(relay.server.hasEnded, false)
    assert.equal(await within(relay.link.interrupt(PATIENCE_MS), 'the interrupt'), 'clean')
    assert.equal((await within(relay.ended, 'the link ends')).reason, null)
    relay.clientConn.destroy()
    await relay.client.sawEnd()
    await relay.upstreamConn.write(bytesOf(' next'))
    await relay.server.has('request next')
    assert.equal(relay.server.hasEnded, false)
  }),

  engineCase('passEnd passes a kept end on, once, and the link ends as any other', async (scene) => {
    const relay = await keeping(scene)
    await exchange(relay, 'request', 'reply')
    relay.client.socket.end()
    await relay.kept
    relay.link.passEnd()
    relay.link.passEnd()
    await relay.server.sawEnd()
    relay.server.socket.end(' last')
    await relay.client.has('reply last')
    assert.equal((await within(relay.ended, 'the link ends')).reason, 'client_fin')
    relay.link.passEnd()
  }),

  engineCase('passEnd alone does nothing', async (scene) => {
    const relay = await scene.relay()
    relay.link.passEnd()
    await exchange(relay, 'request', 'reply')
    assert.equal(relay.server.hasEnded, false)
  }),

  engineCase("the upstream's own end passes a kept one on", async (scene) => {
    const relay = await keeping(scene)
    await exchange(relay, 'request', 'reply')
    relay.client.socket.end()
    await relay.kept
    relay.server.socket.end(' last')
    await relay.client.has('reply last')
    await relay.server.sawEnd()
    await relay.client.sawEnd()
    const { reason, totals } = await within(relay.ended, 'the link ends')
    assert.deepEqual({ reason, totals }, { reason: 'client_fin', totals: { upstream: 7, downstream: 10 } })
  }),

  engineCase('keepEnd does nothing when the upstream has ended', async (scene) => {
    const relay = await keeping(scene)
    relay.server.socket.end('reply')
    await relay.client.sawEnd()
    relay.client.socket.end()
    await relay.server.sawEnd()
    assert.equal((await within(relay.ended, 'the link ends')).reason, 'upstream_fin')
  }),

  engineCase('a kept end counts as a half-close to the timeouts', async (scene) => {
    const relay = await keeping(scene, { idleTimeoutMs: 0, halfCloseTimeoutMs: 50 })
    relay.client.socket.end()
    assert.equal((await within(relay.ended, 'the link ends')).reason, 'half_close_timeout')
    await relay.server.wasLeft()
  }),

  engineCase('a reset of the upstream behind a kept end ends the link', async (scene) => {
    const relay = await keeping(scene)
    relay.client.socket.end()
    await relay.kept
    relay.server.socket.resetAndDestroy()
    assert.equal((await within(relay.ended, 'the link ends')).reason, 'upstream_reset')
    await relay.client.sawReset()
  }),

  engineCase('a client that is gone for good behind a kept end takes the upstream with it', async (scene) => {
    const relay = await keeping(scene)
    relay.client.socket.end()
    await relay.kept
    relay.client.socket.destroy()
    await relay.client.closed()
    // Its kernel answers bytes that nobody can read with a reset.
    relay.server.pour(Buffer.alloc(1024), () => false)
    const { reason } = await within(relay.ended, 'the link ends')
    assert.equal(reason, 'client_reset')
    await relay.server.sawReset()
  }),

  engineCase('a link with a kept end can be destroyed', async (scene) => {
    const relay = await keeping(scene)
    relay.client.socket.end()
    await relay.kept
    relay.link.destroy('killed')
    relay.link.passEnd()
    assert.equal((await within(relay.ended, 'the link ends')).reason, 'killed')
    await relay.client.sawReset()
    await relay.server.sawReset()
  }),
]
