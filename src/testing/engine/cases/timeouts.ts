/** Idle and half-close timeouts: of inactivity, both. */

import assert from 'node:assert/strict'
import type { LinkEnd } from '../../../ports/engine.js'
import { within } from '../../wait.js'
import { type CaseTemplate, engineCase } from '../case.js'
import { NO_LIMITS, type Relay, type Scene } from '../scene.js'

/** Short enough to wait for, long enough for a busy machine to send a byte within it. */
const TIMEOUT_MS = 400

/** Bytes come at this pace where they are to keep a link alive, for this long: three timeouts. */
const TRICKLE_MS = 40
const TRICKLES = 30

/** What a slow reader takes now and then: enough for its kernel to ask for more, too little to be done in time. */
const READS_AT_A_TIME = 32
const SLOWLY_READ_BYTES = 96 * 1024 * 1024

const trickle = async (send: (text: string) => void): Promise<void> => {
  for (let i = 0; i < TRICKLES; i++) {
    send('.')
    await new Promise((resolve) => setTimeout(resolve, TRICKLE_MS))
  }
}

/** Ends with `reason`, and not before `ms` after `since`. */
const endsWith = async (
  ended: Promise<LinkEnd>,
  reason: string,
  since: number,
  ms: number,
): Promise<void> => {
  assert.equal((await within(ended, `the link ends with ${reason}`)).reason, reason)
  const after = performance.now() - since
  // A timer may fire a millisecond early by the other clock.
  assert.ok(after >= ms - 2, `after ${after} ms, before the timeout of ${ms} ms`)
}

const idle = (scene: Scene): Promise<Relay> => scene.relay({}, { ...NO_LIMITS, idleTimeoutMs: TIMEOUT_MS })
const halfClose = (scene: Scene): Promise<Relay> =>
  scene.relay({}, { ...NO_LIMITS, halfCloseTimeoutMs: TIMEOUT_MS })

export const timeoutCases: readonly CaseTemplate[] = [
  engineCase(
    'a link on which nothing moves ends with idle_timeout, and both sockets are closed',
    async (scene) => {
      const { client, server, ended } = await idle(scene)
      client.socket.write('x')
      await server.has('x')
      const since = performance.now()
      await endsWith(ended, 'idle_timeout', since, TIMEOUT_MS / 2)
      await Promise.all([client.sawEnd(), server.sawEnd()])
    },
  ),

  engineCase('a link on which nothing ever moved ends with idle_timeout', async (scene) => {
    const { ended } = await idle(scene)
    await endsWith(ended, 'idle_timeout', performance.now(), TIMEOUT_MS / 2)
  }),

  engineCase('a trickle in one direction keeps a link from being idle', async (scene) => {
    const { client, server, ended } = await idle(scene)
    await trickle((text) => server.socket.write(text))
    await client.has('.'.repeat(TRICKLES))
    await endsWith(ended, 'idle_timeout', performance.now(), 0)
  }),

  engineCase('a slow reader that drains what is buffered keeps a link from being idle', async (scene) => {
    const { client, server, link, ended } = await idle(scene)
    let isOver = false
    void ended.then(() => {
      isOver = true
    })
    client.stall()
    server.socket.write(Buffer.alloc(SLOWLY_READ_BYTES))
    // A little now and then, for three timeouts: less than what waits in the buffers.
    const enough = performance.now() + TIMEOUT_MS * 3
    while (performance.now() < enough) {
      await client.take(READS_AT_A_TIME)
      await new Promise((resolve) => setTimeout(resolve, TRICKLE_MS))
      assert.equal(isOver, false)
    }
    link.destroy('killed')
    assert.equal((await within(ended, 'the link ends')).reason, 'killed')
  }),

  engineCase('time on hold does not count as idle', async (scene) => {
    const { client, server, link, ended } = await idle(scene)
    let isOver = false
    void ended.then(() => {
      isOver = true
    })
    link.hold()
    await new Promise((resolve) => setTimeout(resolve, TIMEOUT_MS * 3))
    assert.equal(isOver, false)
    const since = performance.now()
    link.release()
    client.socket.write('still here')
    await server.has('still here')
    await endsWith(ended, 'idle_timeout', since, TIMEOUT_MS / 2)
  }),

  engineCase('a side that stays silent after the other has ended meets half_close_timeout', async (scene) => {
    const { client, server, ended } = await halfClose(scene)
    const since = performance.now()
    client.socket.end('x')
    await server.sawEnd()
    await endsWith(ended, 'half_close_timeout', since, TIMEOUT_MS)
    await client.sawEnd()
  }),

  engineCase('the half-close timeout works after the upstream has ended, too', async (scene) => {
    const { client, server, ended } = await halfClose(scene)
    const since = performance.now()
    server.socket.end('x')
    await client.sawEnd()
    await endsWith(ended, 'half_close_timeout', since, TIMEOUT_MS)
    await server.sawEnd()
  }),

  engineCase('a long reply survives the half-close timeout as long as it moves', async (scene) => {
    const { client, server, ended } = await halfClose(scene)
    client.socket.end('question')
    await server.sawEnd()
    await trickle((text) => server.socket.write(text))
    server.socket.end('!')
    await client.sawEnd()
    assert.equal(client.text, `${'.'.repeat(TRICKLES)}!`)
    assert.equal((await within(ended, 'the link ends')).reason, 'client_fin')
  }),

  engineCase('the half-close timeout does not touch a link that is open both ways', async (scene) => {
    const { client, server, ended } = await halfClose(scene)
    let isOver = false
    void ended.then(() => {
      isOver = true
    })
    await new Promise((resolve) => setTimeout(resolve, TIMEOUT_MS * 2))
    assert.equal(isOver, false)
    client.socket.write('x')
    await server.has('x')
  }),
]
