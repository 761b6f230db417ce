/** An upstream that is gone before a byte moved need not take its client with it: `onUpstreamLost`. */

import assert from 'node:assert/strict'
import { within } from '../../wait.js'
import { type CaseTemplate, engineCase } from '../case.js'
import type { Relay, Scene } from '../scene.js'

/** The client of `relay` gets another upstream, and is served by it. */
const goesOn = async (scene: Scene, relay: Relay, sent: string): Promise<void> => {
  const end = await within(relay.ended, 'the link is over')
  assert.equal(end.reason, null)
  assert.deepEqual(end.totals, { upstream: 0, downstream: 0 })
  assert.equal(relay.upstreamConn.left(), 'failed')
  const another = await scene.upstream()
  const upstreamConn = await scene.dial(another.address)
  const server = await another.accepted()
  scene.link(relay.clientConn, upstreamConn)
  relay.client.socket.write('more')
  await server.has(`${sent}more`)
  server.socket.write('answer')
  await relay.client.has('answer')
}

const loses = (how: 'ends' | 'resets'): CaseTemplate =>
  engineCase(
    `an upstream that ${how} before a byte moved leaves a client that is wanted open`,
    async (scene) => {
      let asked = 0
      const ends: string[] = []
      const relay = await scene.relay({
        onUpstreamLost: () => ++asked > 0,
        onEndOfStream: (direction) => void ends.push(direction),
      })
      if (how === 'ends') relay.server.socket.end()
      else relay.server.socket.resetAndDestroy()
      await goesOn(scene, relay, '')
      assert.equal(asked, 1)
      assert.deepEqual(ends, [])
    },
  )

const losesAtOnce = (how: 'ends' | 'resets'): CaseTemplate =>
  engineCase(
    `an upstream that ${how} just before the client speaks gets none of it, and another one all`,
    async (scene) => {
      const relay = await scene.relay({ onUpstreamLost: () => true })
      relay.client.socket.write('first,')
      if (how === 'ends') relay.server.socket.destroy()
      else relay.server.socket.resetAndDestroy()
      await goesOn(scene, relay, 'first,')
    },
  )

export const upstreamLostCases: readonly CaseTemplate[] = [
  loses('ends'),
  loses('resets'),
  losesAtOnce('ends'),
  losesAtOnce('resets'),

  engineCase('an upstream that is lost takes a client with it that nobody wants', async (scene) => {
    const relay = await scene.relay({ onUpstreamLost: () => false })
    relay.server.socket.resetAndDestroy()
    await relay.client.sawReset()
    assert.equal((await within(relay.ended, 'the link is over')).reason, 'upstream_reset')
  }),

  engineCase('an upstream that is lost after a byte has moved is the end', async (scene) => {
    let asked = 0
    const relay = await scene.relay({ onUpstreamLost: () => ++asked > 0 })
    relay.client.socket.write('request')
    await relay.server.has('request')
    relay.server.socket.resetAndDestroy()
    await relay.client.sawReset()
    assert.equal(asked, 0)
  }),
]
