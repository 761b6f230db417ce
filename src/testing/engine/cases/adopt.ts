/** Streams of the caller's own as conns. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { Duplex } from 'node:stream'
import { until, within } from '../../wait.js'
import { type CaseTemplate, engineCase } from '../case.js'
import type { Scene } from '../scene.js'

/** Two streams, each reading what the other writes, with backpressure. */
const duplexPair = (): [Duplex, Duplex] => {
  const make = (other: () => Duplex): Duplex => {
    let resume: (() => void) | null = null
    return new Duplex({
      read: () => {
        const go = resume
        resume = null
        go?.()
      },
      write: (chunk: Buffer, _, done) => {
        const peer = other()
        if (peer.push(chunk)) done()
        else peer.once('tidegate:read', done)
      },
      final: (done) => {
        other().push(null)
        done()
      },
    })
  }
  const a: Duplex = make(() => b)
  const b: Duplex = make(() => a)
  for (const stream of [a, b]) {
    const read = stream._read.bind(stream)
    stream._read = (size) => {
      read(size)
      stream.emit('tidegate:read')
    }
  }
  return [a, b]
}

const collect = (stream: Duplex): { text: string; hasEnded: boolean } => {
  const got = { text: '', hasEnded: false }
  stream.on('data', (chunk: Buffer) => {
    got.text += chunk.toString()
  })
  stream.on('end', () => {
    got.hasEnded = true
  })
  stream.on('error', () => {})
  return got
}

const acceptOne = async (scene: Scene) => {
  const gateway = await scene.gateway()
  const client = await scene.client(gateway.listening.address)
  return { client, clientConn: await gateway.accepted() }
}

export const adoptCases: readonly CaseTemplate[] = [
  engineCase(
    'an adopted stream is an upstream like any other, half-closes and 2 MiB included',
    async (scene) => {
      const { client, clientConn } = await acceptOne(scene)
      const [inner, outer] = duplexPair()
      const got = collect(outer)
      outer.write('early ')
      const conn = scene.engine.adopt(inner)
      assert.deepEqual(conn.remote, { kind: 'unix', path: '' })
      const { ended } = scene.link(clientConn, conn)
      client.socket.end('question')
      await until(() => got.hasEnded, 'the FIN reaches the stream')
      assert.equal(got.text, 'question')
      outer.end(Buffer.alloc(2 * 1024 * 1024, 'r'))
      await client.sawEnd()
      assert.equal(client.received, 'early '.length + 2 * 1024 * 1024)
      assert.equal((await within(ended, 'the link ends')).reason, 'client_fin')
    },
  ),

  engineCase('an adopted stream that fails resets the client', async (scene) => {
    const { client, clientConn } = await acceptOne(scene)
    const [inner] = duplexPair()
    const { ended } = scene.link(clientConn, scene.engine.adopt(inner))
    inner.destroy(Object.assign(new Error('gone'), { code: 'ECONNRESET' }))
    await client.sawReset()
    assert.equal((await within(ended, 'the link ends')).reason, 'upstream_reset')
  }),

  engineCase(
    'an adopted stream that fails in its own way ends the link with error, and tells it',
    async (scene) => {
      const { client, clientConn } = await acceptOne(scene)
      const [inner] = duplexPair()
      const { ended } = scene.link(clientConn, scene.engine.adopt(inner))
      const failure = new Error('certificate has expired')
      inner.destroy(failure)
      await client.sawReset()
      const end = await within(ended, 'the link ends')
      assert.equal(end.reason, 'error')
      assert.equal(end.error, failure)
    },
  ),

  engineCase('an adopted stream that was torn down before is broken', async (scene) => {
    const { client, clientConn } = await acceptOne(scene)
    const [inner] = duplexPair()
    inner.destroy()
    const conn = scene.engine.adopt(inner)
    assert.equal(conn.isIdleAndAlive(), false)
    const { ended } = scene.link(clientConn, conn)
    assert.equal((await within(ended, 'the link ends')).reason, 'upstream_reset')
    await client.sawReset()
  }),

  engineCase('an adopted net.Socket has its addresses, and is reset as one', async (scene) => {
    const upstream = await scene.upstream()
    assert.ok(upstream.address.kind === 'tcp')
    const socket = connect({ host: upstream.address.host, port: upstream.address.port })
    await within(once(socket, 'connect'), 'the socket connects')
    const conn = scene.engine.adopt(socket)
    assert.deepEqual(conn.remote, upstream.address)
    const server = await upstream.accepted()
    server.socket.end('half')
    assert.equal(new TextDecoder().decode(await conn.read(100, 5000)), 'half')
    await conn.write(new TextEncoder().encode('still open'))
    await server.has('still open')
    conn.reset()
    await server.sawReset()
  }),
]
