/** FINs: each direction ends on its own, and nothing of the other is lost. */

import assert from 'node:assert/strict'
import { within } from '../../wait.js'
import { type CaseTemplate, engineCase } from '../case.js'
import { LOOPBACK } from '../scene.js'

const REPLY = Buffer.alloc(8 * 1024 * 1024, 'reply ')

export const halfCloseCases: readonly CaseTemplate[] = [
  engineCase('bytes reach the other side, both ways', async (scene) => {
    const { client, server } = await scene.relay()
    client.socket.write('question')
    await server.has('question')
    server.socket.write('answer')
    await client.has('answer')
  }),

  engineCase(
    "the client's FIN reaches the upstream, and its whole reply of 8 MiB still arrives",
    async (scene) => {
      const { client, server, ended } = await scene.relay()
      client.socket.end('question')
      await server.sawEnd()
      assert.equal(server.text, 'question')
      assert.equal(client.hasEnded, false)
      server.socket.end(REPLY)
      await client.sawEnd()
      assert.equal(client.received, REPLY.length)
      const end = await within(ended, 'the link ends')
      assert.deepEqual(end, {
        reason: 'client_fin',
        error: null,
        totals: { upstream: 8, downstream: REPLY.length },
      })
    },
  ),

  engineCase("the upstream's FIN reaches the client, whose 8 MiB still arrive", async (scene) => {
    const { client, server, ended } = await scene.relay()
    server.socket.end('go')
    await client.sawEnd()
    client.socket.end(REPLY)
    await server.sawEnd()
    assert.equal(server.received, REPLY.length)
    const end = await within(ended, 'the link ends')
    assert.deepEqual(end, {
      reason: 'upstream_fin',
      error: null,
      totals: { upstream: REPLY.length, downstream: 2 },
    })
  }),

  engineCase(
    'bytes and FIN that came before the link are forwarded, in order, with the full reply',
    async (scene) => {
      const upstream = await scene.upstream()
      const gateway = await scene.gateway()
      const client = await scene.client(gateway.listening.address)
      client.socket.write('one ')
      client.socket.end('two')
      const clientConn = await gateway.accepted()
      const upstreamConn = await scene.dial(upstream.address)
      const server = await upstream.accepted()
      server.socket.write('greeting ')
      const { ended } = scene.link(clientConn, upstreamConn)
      await server.sawEnd()
      assert.equal(server.text, 'one two')
      server.socket.end('reply')
      await client.sawEnd()
      assert.equal(client.text, 'greeting reply')
      assert.equal((await within(ended, 'the link ends')).reason, 'client_fin')
    },
  ),

  engineCase('a FIN alone that came before the link is forwarded', async (scene) => {
    const upstream = await scene.upstream()
    const gateway = await scene.gateway()
    const client = await scene.client(gateway.listening.address)
    client.socket.end()
    const clientConn = await gateway.accepted()
    await within(new Promise((resolve) => clientConn.watch(resolve)), 'the FIN is seen')
    const upstreamConn = await scene.dial(upstream.address)
    const server = await upstream.accepted()
    scene.link(clientConn, upstreamConn)
    await server.sawEnd()
    server.socket.end('reply')
    await client.sawEnd()
    assert.equal(client.text, 'reply')
  }),

  engineCase('more than a buffer that came before the link arrives whole', async (scene) => {
    const upstream = await scene.upstream()
    const gateway = await scene.gateway()
    const client = await scene.client(gateway.listening.address)
    client.socket.end(REPLY)
    const clientConn = await gateway.accepted()
    const upstreamConn = await scene.dial(upstream.address)
    const server = await upstream.accepted()
    scene.link(clientConn, upstreamConn)
    await server.sawEnd()
    assert.equal(server.received, REPLY.length)
  }),

  engineCase('a link whose ends both close at once ends in order', async (scene) => {
    const { client, server, ended } = await scene.relay({}, undefined, { gateway: LOOPBACK })
    client.socket.end('a')
    server.socket.end('b')
    await Promise.all([client.sawEnd(), server.sawEnd()])
    assert.equal(client.text + server.text, 'ba')
    assert.match((await within(ended, 'the link ends')).reason ?? '', /^(client|upstream)_fin$/)
  }),
]
