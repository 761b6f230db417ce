/** What an observer sees, decides and breaks. */

import assert from 'node:assert/strict'
import { TidegateError } from '../../../errors.js'
import type { LinkObserver } from '../../../ports/engine.js'
import { deferred, within } from '../../wait.js'
import { type CaseTemplate, engineCase } from '../case.js'
import type { Scene } from '../scene.js'

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** The link of the failing observer ends with `error`; its neighbour goes on. */
const endsOnlyThatLink = async (scene: Scene, observer: Omit<LinkObserver, 'onEnd'>): Promise<void> => {
  const { client, server, ended } = await scene.relay(observer)
  const neighbour = await scene.relay()
  client.socket.end('poison')
  const end = await within(ended, 'the link ends')
  assert.equal(end.reason, 'error')
  assert.ok(end.error instanceof TidegateError)
  assert.equal(end.error.code, 'hook_failed')
  assert.equal(end.error.fault, 'hook')
  assert.match(end.error.message, /from the observer/)
  await Promise.all([client.closed(), server.closed()])
  neighbour.client.socket.write('unharmed')
  await neighbour.server.has('unharmed')
}

const fail = (): never => {
  throw new Error('from the observer')
}

/** Chunks come as the sender wrote them only if it waits for each to arrive. */
const sendOneByOne = async (
  scene: Scene,
  observer: Omit<LinkObserver, 'onEnd'>,
  words: readonly string[],
): Promise<string> => {
  let seen = 0
  const step = deferred<void>()
  let arrived = step
  const { client, server } = await scene.relay({
    ...observer,
    transform: (chunk, direction) => {
      seen++
      arrived.resolve()
      return observer.transform?.(chunk, direction) ?? null
    },
  })
  for (const word of words) {
    client.socket.write(word)
    await within(arrived.promise, 'the word is seen')
    arrived = deferred<void>()
  }
  client.socket.end()
  await server.sawEnd()
  assert.equal(seen, words.length)
  return server.text
}

export const observerCases: readonly CaseTemplate[] = [
  engineCase(
    'onData sees every byte of each direction in order, and onEndOfStream comes after the last',
    async (scene) => {
      const seen = { upstream: '', downstream: '' }
      const { client, server, ended } = await scene.relay({
        onData: (chunk, direction) => {
          seen[direction] += textOf(chunk)
        },
        onEndOfStream: (direction) => {
          seen[direction] += '|'
        },
      })
      client.socket.write('que')
      await server.has('que')
      client.socket.end('stion')
      await server.sawEnd()
      server.socket.end('answer')
      await client.sawEnd()
      await within(ended, 'the link ends')
      assert.deepEqual(seen, { upstream: 'question|', downstream: 'answer|' })
    },
  ),

  engineCase('transform passes, replaces and drops', async (scene) => {
    const sent = await sendOneByOne(
      scene,
      {
        transform: (chunk) => {
          const text = textOf(chunk)
          if (text === 'drop') return null
          return text === 'replace' ? bytesOf('[other]') : chunk
        },
      },
      ['pass ', 'drop', 'replace', ' pass'],
    )
    assert.equal(sent, 'pass [other] pass')
  }),

  engineCase(
    'an asynchronous transform keeps the order, its direction waits, the other does not',
    async (scene) => {
      const decision = deferred<Uint8Array>()
      const asked: string[] = []
      const first = deferred<void>()
      const { client, server } = await scene.relay({
        transform: (chunk, direction) => {
          if (direction === 'downstream') return chunk
          asked.push(textOf(chunk))
          first.resolve()
          return asked.length === 1 ? decision.promise : chunk
        },
      })
      client.socket.write('slow ')
      await within(first.promise, 'the transform is asked')
      client.socket.end('fast')
      server.socket.write('meanwhile')
      await client.has('meanwhile')
      assert.deepEqual(asked, ['slow '])
      assert.equal(server.received, 0)
      decision.resolve(bytesOf('SLOW '))
      await server.sawEnd()
      assert.equal(server.text, 'SLOW fast')
    },
  ),

  engineCase('an asynchronous transform may drop, and the FIN waits for it', async (scene) => {
    const decision = deferred<null>()
    const asked = deferred<void>()
    const order: string[] = []
    const { client, server } = await scene.relay({
      transform: () => {
        asked.resolve()
        return decision.promise
      },
      onEndOfStream: (direction) => order.push(`end ${direction}`),
    })
    client.socket.end('x')
    await within(asked.promise, 'the transform is asked')
    server.socket.write('unseen')
    order.push('decided')
    decision.resolve(null)
    await server.sawEnd()
    assert.equal(server.received, 0)
    assert.deepEqual(order, ['decided', 'end upstream'])
  }),

  engineCase('onData sees what transform made, and the totals count it', async (scene) => {
    const seen: string[] = []
    const { client, server, ended } = await scene.relay({
      transform: (_, direction) => (direction === 'upstream' ? bytesOf('made') : null),
      onData: (chunk) => seen.push(textOf(chunk)),
    })
    client.socket.end('original')
    await server.sawEnd()
    server.socket.end('dropped')
    await client.sawEnd()
    assert.deepEqual((await within(ended, 'the link ends')).totals, { upstream: 4, downstream: 0 })
    assert.deepEqual(seen, ['made'])
    assert.equal(server.text, 'made')
  }),

  engineCase('an onData that throws ends its link with error, and nothing else', (scene) =>
    endsOnlyThatLink(scene, { onData: fail }),
  ),
  engineCase('a transform that throws ends its link with error, and nothing else', (scene) =>
    endsOnlyThatLink(scene, { transform: fail }),
  ),
  engineCase('a transform that rejects ends its link with error, and nothing else', (scene) =>
    endsOnlyThatLink(scene, { transform: async () => fail() }),
  ),
  engineCase('an onEndOfStream that throws ends its link with error, and nothing else', (scene) =>
    endsOnlyThatLink(scene, { onEndOfStream: fail }),
  ),

  engineCase('a transform that rejects after the link has ended harms nobody', async (scene) => {
    const asked = deferred<void>()
    const decision = deferred<Uint8Array>()
    const { client, link, ended } = await scene.relay({
      transform: () => {
        asked.resolve()
        return decision.promise
      },
    })
    client.socket.write('x')
    await within(asked.promise, 'the transform is asked')
    link.destroy('killed')
    assert.equal((await within(ended, 'the link ends')).reason, 'killed')
    decision.reject(new Error('too late'))
  }),

  engineCase('an onEnd that throws harms nobody', async (scene) => {
    const { client, clientConn, upstreamConn } = await (async () => {
      const upstream = await scene.upstream()
      const gateway = await scene.gateway()
      const client = await scene.client(gateway.listening.address)
      return {
        client,
        clientConn: await gateway.accepted(),
        upstreamConn: await scene.dial(upstream.address),
      }
    })()
    scene.engine
      .link(clientConn, upstreamConn, { onEnd: fail }, { idleTimeoutMs: 0, halfCloseTimeoutMs: 0 })
      .destroy('drained')
    await client.wasLeft()
    const other = await scene.relay()
    other.client.socket.write('unharmed')
    await other.server.has('unharmed')
  }),
]
