/** Ends that are made here: `destroy` and the engine's own `close`. */

import assert from 'node:assert/strict'
import type { CloseReason } from '../../../core/close-reason.js'
import { TidegateError } from '../../../errors.js'
import type { LinkEnd } from '../../../ports/engine.js'
import { deferred, until, within } from '../../wait.js'
import { type CaseTemplate, engineCase } from '../case.js'
import { NO_LIMITS } from '../scene.js'

const WITH_RESET: readonly CloseReason[] = ['client_reset', 'upstream_reset', 'denied', 'killed', 'error']
const WITH_FIN: readonly CloseReason[] = ['drained', 'idle_timeout', 'limit']

export const endingCases: readonly CaseTemplate[] = [
  engineCase(`destroy with ${WITH_RESET.join(', ')} resets both sides`, async (scene) => {
    for (const reason of WITH_RESET) {
      const { client, server, link, ended } = await scene.relay()
      client.socket.write('x')
      await server.has('x')
      link.destroy(reason)
      await Promise.all([client.sawReset(), server.sawReset()])
      assert.equal((await within(ended, 'the link ends')).reason, reason)
    }
  }),

  engineCase('destroy with any other reason closes both sides with FIN', async (scene) => {
    for (const reason of WITH_FIN) {
      const { client, server, link, ended } = await scene.relay()
      client.socket.write('x')
      await server.has('x')
      link.destroy(reason)
      await Promise.all([client.sawEnd(), server.sawEnd()])
      assert.equal((await within(ended, 'the link ends')).reason, reason)
    }
  }),

  engineCase('the first end counts, and its error is told', async (scene) => {
    const { clientConn, upstreamConn } = await (async () => {
      const upstream = await scene.upstream()
      const gateway = await scene.gateway()
      await scene.client(gateway.listening.address)
      return { clientConn: await gateway.accepted(), upstreamConn: await scene.dial(upstream.address) }
    })()
    const ends: LinkEnd[] = []
    const told = deferred<void>()
    const onEnd = (end: LinkEnd): void => {
      ends.push(end)
      told.resolve()
    }
    const link = scene.engine.link(clientConn, upstreamConn, { onEnd }, NO_LIMITS)
    const error = new TidegateError('hook_failed', 'why', { fault: 'hook' })
    link.destroy('error', error)
    link.destroy('killed')
    assert.deepEqual(ends, [], 'onEnd does not come before link returns')
    await within(told.promise, 'the link ends')
    link.destroy('drained')
    assert.equal(await link.interrupt(1000), 'failed')
    assert.deepEqual(ends, [{ reason: 'error', error, totals: { upstream: 0, downstream: 0 } }])
  }),

  engineCase('destroy from inside a callback ends the link, and nothing comes after onEnd', async (scene) => {
    const seen: string[] = []
    const relay = await scene.relay({
      onData: (chunk) => {
        seen.push(new TextDecoder().decode(chunk))
        relay.link.destroy('denied')
      },
      onEndOfStream: () => seen.push('end of stream'),
    })
    relay.client.socket.end('x')
    await relay.client.closed()
    assert.equal((await within(relay.ended, 'the link ends')).reason, 'denied')
    assert.deepEqual(seen, ['x'])
    assert.equal(relay.server.received, 0)
  }),

  engineCase('destroy drops what a stalled reader has not taken', async (scene) => {
    const { client, server, link, ended } = await scene.relay()
    client.stall()
    server.pour(Buffer.alloc(65_536), () => false)
    await until(() => link.totals.downstream > 1_000_000, 'the buffers fill')
    link.destroy('killed')
    assert.equal((await within(ended, 'the link ends')).reason, 'killed')
    assert.match((await server.closed()) ?? '', /^(ECONNRESET|EPIPE)$/)
    client.socket.resume()
    await client.wasLeft()
    assert.ok(client.received < server.socket.bytesWritten)
  }),

  engineCase('a linked conn that its owner destroys or resets takes the link with it', async (scene) => {
    for (const how of ['destroy', 'reset'] as const) {
      const { client, server, upstreamConn, ended } = await scene.relay()
      client.socket.write('x')
      await server.has('x')
      upstreamConn[how]()
      assert.equal((await within(ended, 'the link ends')).reason, 'upstream_reset')
      await client.sawReset()
    }
  }),

  engineCase('linking a conn that is linked is misuse', async (scene) => {
    const { clientConn, upstreamConn } = await scene.relay()
    assert.throws(
      () => scene.link(clientConn, upstreamConn),
      (thrown) => thrown instanceof TidegateError && thrown.code === 'misuse',
    )
  }),

  engineCase('closing the engine closes listeners, dials, links and conns, once and again', async (scene) => {
    const { client, server, ended } = await scene.relay()
    const gateway = await scene.gateway()
    const lonely = await scene.client(gateway.listening.address)
    await gateway.accepted()
    scene.engine.dial(gateway.listening.address, { timeoutMs: 0 }, () => assert.fail('done after close'))
    await Promise.all([scene.engine.close(), scene.engine.close()])
    assert.equal((await within(ended, 'the link ends')).reason, 'drained')
    await Promise.all([client.sawEnd(), server.sawEnd(), lonely.sawEnd()])
    await assert.rejects(scene.client(gateway.listening.address), /ECONNREFUSED/)
    await scene.engine.close()
  }),
]
