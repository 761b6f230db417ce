/** RSTs: whoever was talking to the one that broke must not take it for an orderly end. */

import assert from 'node:assert/strict'
import { within } from '../../wait.js'
import { type CaseTemplate, engineCase } from '../case.js'

export const resetCases: readonly CaseTemplate[] = [
  engineCase('a reset by the client resets the upstream', async (scene) => {
    const { client, server, ended } = await scene.relay()
    client.socket.write('x')
    await server.has('x')
    client.socket.resetAndDestroy()
    await server.sawReset()
    const end = await within(ended, 'the link ends')
    assert.equal(end.reason, 'client_reset')
    assert.deepEqual(end.totals, { upstream: 1, downstream: 0 })
  }),

  engineCase('a reset by the upstream resets the client', async (scene) => {
    const { client, server, ended } = await scene.relay()
    server.socket.write('x')
    await client.has('x')
    server.socket.resetAndDestroy()
    await client.sawReset()
    assert.equal((await within(ended, 'the link ends')).reason, 'upstream_reset')
  }),

  engineCase('a client that resets after its FIN resets the upstream that still sends', async (scene) => {
    const { client, server, ended } = await scene.relay()
    client.socket.end('x')
    await server.sawEnd()
    client.socket.resetAndDestroy()
    server.pour(Buffer.alloc(65_536), () => false)
    assert.match((await server.closed()) ?? '', /^(ECONNRESET|EPIPE)$/)
    assert.equal((await within(ended, 'the link ends')).reason, 'client_reset')
  }),

  engineCase('a client that resets in the middle of a transfer resets the upstream', async (scene) => {
    const { client, server, ended } = await scene.relay()
    server.pour(Buffer.alloc(65_536), () => false)
    await client.hasBytes(1_000_000)
    client.socket.resetAndDestroy()
    assert.match((await server.closed()) ?? '', /^(ECONNRESET|EPIPE)$/)
    assert.equal((await within(ended, 'the link ends')).reason, 'client_reset')
  }),

  engineCase('a reset right behind the last bytes is not taken for an orderly end', async (scene) => {
    for (let i = 0; i < 20; i++) {
      const { client, ended } = await scene.relay()
      client.socket.write('the last bytes')
      setImmediate(() => client.socket.resetAndDestroy())
      assert.equal((await within(ended, 'the link ends')).reason, 'client_reset')
    }
  }),

  engineCase('a reset that came before the link resets the upstream', async (scene) => {
    const upstream = await scene.upstream()
    const gateway = await scene.gateway()
    const client = await scene.client(gateway.listening.address)
    const clientConn = await gateway.accepted()
    const upstreamConn = await scene.dial(upstream.address)
    const server = await upstream.accepted()
    const left = new Promise((resolve) => clientConn.watch(resolve))
    client.socket.resetAndDestroy()
    assert.equal(await within(left, 'the reset is seen'), 'reset')
    const { ended } = scene.link(clientConn, upstreamConn)
    assert.equal((await within(ended, 'the link ends')).reason, 'client_reset')
    await server.sawReset()
  }),
]
