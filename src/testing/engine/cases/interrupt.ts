/** `interrupt`: a link is taken apart and the upstream is as good as the report says. */

import assert from 'node:assert/strict'
import type { Link } from '../../../ports/engine.js'
import { deferred, until, untilStill, within } from '../../wait.js'
import { type CaseTemplate, engineCase } from '../case.js'
import { LOOPBACK } from '../scene.js'

const PATIENCE_MS = 5000
const TEXT = new TextEncoder()
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

export const interruptCases: readonly CaseTemplate[] = [
  engineCase('an interrupted link leaves a clean upstream that can be talked on', async (scene) => {
    const { client, server, upstreamConn, clientConn, link, ended } = await scene.relay()
    client.socket.write('hello')
    await server.has('hello')
    server.socket.write('welcome')
    await client.has('welcome')
    assert.equal(await within(link.interrupt(PATIENCE_MS), 'the interrupt'), 'clean')
    assert.deepEqual(await ended, { reason: null, error: null, totals: { upstream: 5, downstream: 7 } })
    assert.equal(upstreamConn.isIdleAndAlive(), true)
    await upstreamConn.write(TEXT.encode(' RESET'))
    await server.has('hello RESET')
    server.socket.write('+RESET')
    assert.equal(textOf(await upstreamConn.read(100, PATIENCE_MS)), '+RESET')
    assert.equal(client.text, 'welcome')
    assert.equal(upstreamConn.isIdleAndAlive(), true)
    assert.equal(clientConn.isIdleAndAlive(), true)
  }),

  engineCase('an interrupted upstream serves a second client, and no byte crosses', async (scene) => {
    const first = await scene.relay()
    first.client.socket.write('first')
    await first.server.has('first')
    assert.equal(await within(first.link.interrupt(PATIENCE_MS), 'the interrupt'), 'clean')
    first.client.socket.write('nobody must see this')
    const gateway = await scene.gateway({ address: LOOPBACK })
    const second = await scene.client(gateway.listening.address)
    const { ended } = scene.link(await gateway.accepted(), first.upstreamConn)
    second.socket.write(' second')
    await first.server.has('first second')
    first.server.socket.write('for the second')
    await second.has('for the second')
    assert.equal(first.client.text, '')
    second.socket.end()
    await first.server.sawEnd()
    first.server.socket.end()
    assert.equal((await within(ended, 'the second link ends')).reason, 'client_fin')
    assert.equal(first.server.text, 'first second')
  }),

  engineCase(
    'what was read from the client has reached the upstream when the interrupt resolves',
    async (scene) => {
      const { client, server, link, upstreamConn } = await scene.relay()
      server.stall()
      client.socket.write(Buffer.alloc(64 * 1024 * 1024))
      await untilStill(() => link.totals.upstream, 200, 'the upstream takes no more')
      const interrupted = link.interrupt(0)
      server.socket.resume()
      assert.equal(await within(interrupted, 'the interrupt'), 'clean')
      await server.hasBytes(link.totals.upstream)
      assert.equal(upstreamConn.isIdleAndAlive(), true)
      await upstreamConn.write(TEXT.encode('!'))
      await server.hasBytes(link.totals.upstream + 1)
      assert.equal(server.received, link.totals.upstream + 1)
    },
  ),

  engineCase(
    'an upstream that does not take what is left in time is closed and reported failed',
    async (scene) => {
      const { client, server, link, upstreamConn, ended } = await scene.relay()
      server.stall()
      client.socket.write(Buffer.alloc(64 * 1024 * 1024))
      await untilStill(() => link.totals.upstream, 200, 'the upstream takes no more')
      assert.equal(await within(link.interrupt(50), 'the interrupt'), 'failed')
      assert.equal((await ended).reason, null)
      assert.equal(upstreamConn.isIdleAndAlive(), false)
      server.socket.resume()
      await server.wasLeft()
    },
  ),

  engineCase('bytes that reached no client are reported unread, and can be read', async (scene) => {
    const { client, server, link, upstreamConn } = await scene.relay()
    client.socket.write('x')
    await server.has('x')
    link.hold()
    server.socket.write('late')
    assert.equal(await within(link.interrupt(PATIENCE_MS), 'the interrupt'), 'unread')
    assert.equal(upstreamConn.isIdleAndAlive(), false)
    assert.equal(textOf(await upstreamConn.read(100, PATIENCE_MS)), 'late')
    assert.equal(client.text, '')
  }),

  engineCase('a chunk under decision on the way to the client is reported unread', async (scene) => {
    const asked = deferred<void>()
    const { client, server, link, upstreamConn } = await scene.relay({
      transform: (_, direction) => {
        if (direction === 'upstream') return null
        asked.resolve()
        return new Promise(() => {})
      },
    })
    server.socket.write('undecided')
    await within(asked.promise, 'the transform is asked')
    assert.equal(await within(link.interrupt(PATIENCE_MS), 'the interrupt'), 'unread')
    assert.equal(textOf(await upstreamConn.read(100, PATIENCE_MS)), 'undecided')
    assert.equal(client.text, '')
  }),

  engineCase('a chunk under decision on the way to the upstream is waited for', async (scene) => {
    const decision = deferred<Uint8Array>()
    const asked = deferred<void>()
    const { client, server, link } = await scene.relay({
      transform: () => {
        asked.resolve()
        return decision.promise
      },
    })
    client.socket.write('?')
    await within(asked.promise, 'the transform is asked')
    const interrupted = link.interrupt(PATIENCE_MS)
    decision.resolve(TEXT.encode('decided'))
    assert.equal(await within(interrupted, 'the interrupt'), 'clean')
    await server.has('decided')
  }),

  engineCase('an upstream that has ended is reported half_closed', async (scene) => {
    const { client, server, link } = await scene.relay()
    server.socket.end()
    await client.sawEnd()
    assert.equal(await within(link.interrupt(PATIENCE_MS), 'the interrupt'), 'half_closed')
  }),

  engineCase("an upstream that was given the client's FIN is reported half_closed", async (scene) => {
    const { client, server, link } = await scene.relay()
    client.socket.end()
    await server.sawEnd()
    assert.equal(await within(link.interrupt(PATIENCE_MS), 'the interrupt'), 'half_closed')
  }),

  engineCase("an interrupt from onEndOfStream keeps the client's FIN from the upstream", async (scene) => {
    const left = deferred<string>()
    let link: Link | null = null
    const relay = await scene.relay({
      onEndOfStream: () => void link?.interrupt(PATIENCE_MS).then(left.resolve),
    })
    link = relay.link
    relay.client.socket.end('bye')
    assert.equal(await within(left.promise, 'the interrupt'), 'clean')
    await relay.server.has('bye')
    await relay.upstreamConn.write(TEXT.encode('!'))
    await relay.server.has('bye!')
    assert.equal(relay.server.hasEnded, false)
  }),

  engineCase('an interrupt from onData still delivers that chunk', async (scene) => {
    const left = deferred<string>()
    let link: Link | null = null
    const relay = await scene.relay({ onData: () => void link?.interrupt(PATIENCE_MS).then(left.resolve) })
    link = relay.link
    relay.server.socket.write('last')
    assert.equal(await within(left.promise, 'the interrupt'), 'clean')
    await relay.client.has('last')
  }),

  engineCase(
    'a link interrupted in the middle of a transfer gives the rest to the next reader, byte for byte',
    async (scene) => {
      const { client, server, link, upstreamConn } = await scene.relay()
      const sent = Buffer.alloc(64 * 1024 * 1024)
      for (let at = 0; at < sent.length; at += 4) sent.writeUInt32BE(at, at)
      client.stall()
      server.socket.write(sent)
      await untilStill(() => link.totals.downstream, 200, 'the client takes no more')
      assert.equal(await within(link.interrupt(PATIENCE_MS), 'the interrupt'), 'unread')
      let at = link.totals.downstream
      while (at < sent.length) {
        const bytes = await upstreamConn.read(65_536, PATIENCE_MS)
        assert.ok(bytes.length > 0)
        assert.equal(
          Buffer.compare(bytes, sent.subarray(at, at + bytes.length)),
          0,
          `different bytes after ${at}`,
        )
        at += bytes.length
      }
      client.socket.resume()
      await client.hasBytes(link.totals.downstream)
      assert.equal(client.received, link.totals.downstream)
    },
  ),

  engineCase('an upstream that breaks is reported failed', async (scene) => {
    const { server, link, ended } = await scene.relay()
    server.socket.resetAndDestroy()
    await within(ended, 'the link ends')
    assert.equal(await link.interrupt(PATIENCE_MS), 'failed')
  }),

  engineCase('an upstream that breaks during the interrupt is reported failed', async (scene) => {
    const { client, server, link } = await scene.relay()
    server.stall()
    client.socket.write(Buffer.alloc(64 * 1024 * 1024))
    await untilStill(() => link.totals.upstream, 200, 'the upstream takes no more')
    const interrupted = link.interrupt(PATIENCE_MS)
    server.socket.resetAndDestroy()
    assert.equal(await within(interrupted, 'the interrupt'), 'failed')
  }),

  engineCase('a client that left is no trouble to the interrupt, nor to the upstream', async (scene) => {
    const { client, clientConn, server, link, upstreamConn } = await scene.relay()
    const interrupted = link.interrupt(PATIENCE_MS)
    client.socket.resetAndDestroy()
    assert.equal(await within(interrupted, 'the interrupt'), 'clean')
    clientConn.destroy()
    await upstreamConn.write(TEXT.encode('next'))
    await server.has('next')
  }),

  engineCase('onEnd comes before the interrupt resolves, and once', async (scene) => {
    const upstream = await scene.upstream()
    const gateway = await scene.gateway()
    await scene.client(gateway.listening.address)
    const clientConn = await gateway.accepted()
    const upstreamConn = await scene.dial(upstream.address)
    const order: string[] = []
    const link = scene.engine.link(
      clientConn,
      upstreamConn,
      { onEnd: (end) => order.push(`end ${end.reason}`) },
      { idleTimeoutMs: 0, halfCloseTimeoutMs: 0 },
    )
    const twice = [link.interrupt(PATIENCE_MS), link.interrupt(PATIENCE_MS)]
    await within(Promise.all(twice), 'the interrupt')
    order.push('resolved')
    link.destroy('killed')
    await until(() => upstreamConn.isIdleAndAlive(), 'the upstream is idle')
    assert.deepEqual(order, ['end null', 'resolved'])
  }),
]
