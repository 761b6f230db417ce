/** Backpressure, identity of the bytes, and hold. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Direction } from '../../../core/direction.js'
import type { LinkOptions } from '../../../ports/engine.js'
import { untilStill, within } from '../../wait.js'
import { type CaseTemplate, engineCase } from '../case.js'
import type { Peer } from '../peer.js'
import { NO_LIMITS, type Relay, type Scene } from '../scene.js'

const MiB = 1024 * 1024

/** A sender that has written nothing for this long has met backpressure. */
const STALLED_MS = 400

/** What kernels may hold between a sender and a stalled reader: four socket buffers that tune themselves. */
const KERNEL_BYTES_PER_LINK = 24 * MiB

/** What a process may grow by: the buffers of all links are 1 MiB, the rest is the garbage collector's leeway. */
const RESIDENT_BYTES = 96 * MiB

const LINKS = 4

/** A sender of "10 GB": it stops only where the bound is broken, so that the case fails instead of filling memory. */
const POURED = Buffer.alloc(65_536, 'p')

const outerEnds = (relay: Relay, direction: Direction): { readonly sender: Peer; readonly reader: Peer } =>
  direction === 'upstream'
    ? { sender: relay.client, reader: relay.server }
    : { sender: relay.server, reader: relay.client }

const sum = (figures: readonly number[]): number => figures.reduce((total, figure) => total + figure, 0)

const stalledReader = (
  direction: Direction,
  name: string,
  observer: Parameters<Scene['relay']>[0],
): CaseTemplate =>
  engineCase(
    `${LINKS} stalled readers (${direction}, ${name}) stop their senders: memory stays bounded, and not a byte is lost`,
    async (scene) => {
      const relays = await Promise.all(Array.from({ length: LINKS }, () => scene.relay(observer)))
      const ends = relays.map((relay) => outerEnds(relay, direction))
      for (const { reader } of ends) reader.stall()
      const residentBefore = process.memoryUsage().rss
      const sent = (): number => sum(ends.map(({ sender }) => sender.socket.bytesWritten))
      let isOver = false
      for (const { sender } of ends)
        sender.pour(POURED, () => isOver || sender.socket.bytesWritten > KERNEL_BYTES_PER_LINK)
      await untilStill(sent, STALLED_MS, 'the senders are stalled')
      for (const { sender } of ends) {
        assert.ok(
          sender.socket.bytesWritten <= KERNEL_BYTES_PER_LINK,
          `a sender was allowed ${sender.socket.bytesWritten} bytes ahead of a stalled reader`,
        )
      }
      const grown = process.memoryUsage().rss - residentBefore
      assert.ok(grown < RESIDENT_BYTES, `the process grew by ${grown} bytes`)
      isOver = true
      for (const { sender, reader } of ends) {
        sender.socket.end()
        reader.socket.resume()
      }
      await Promise.all(ends.map(({ reader }) => reader.sawEnd()))
      for (const { sender, reader } of ends) assert.equal(reader.received, sender.socket.bytesWritten)
    },
  )

/** Small, fixed and good enough to choose sizes (mulberry32); a failure can be run again. */
const randomFrom = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const IDENTITY_BYTES = 6 * MiB
const LARGEST_WRITE = 200_000

/** Sends random bytes in random pieces, mostly small, and gives their hash. */
const sendRandom = async (peer: Peer, seed: number): Promise<string> => {
  const random = randomFrom(seed)
  const hash = createHash('sha256')
  let left = IDENTITY_BYTES
  while (left > 0) {
    const size = Math.min(left, 1 + Math.floor(random() ** 4 * LARGEST_WRITE))
    const piece = Buffer.alloc(size, Math.floor(random() * 256))
    piece.writeUInt8(Math.floor(random() * 256), Math.floor(random() * size))
    hash.update(piece)
    left -= size
    if (!peer.socket.write(piece)) await new Promise((resolve) => peer.socket.once('drain', resolve))
  }
  peer.socket.end()
  return hash.digest('hex')
}

const identity = (
  name: string,
  observer: Parameters<Scene['relay']>[0],
  options: LinkOptions,
): CaseTemplate =>
  engineCase(`random bytes in random pieces arrive the same, both ways at once (${name})`, async (scene) => {
    const { client, server, ended } = await scene.relay(observer, options)
    const [up, down] = await Promise.all([
      sendRandom(client, 1),
      sendRandom(server, 2),
      client.sawEnd(),
      server.sawEnd(),
    ])
    assert.equal(server.sha256(), up)
    assert.equal(client.sha256(), down)
    assert.deepEqual((await within(ended, 'the link ends')).totals, {
      upstream: IDENTITY_BYTES,
      downstream: IDENTITY_BYTES,
    })
  })

export const flowCases: readonly CaseTemplate[] = [
  stalledReader('downstream', 'unobserved', {}),
  stalledReader('upstream', 'unobserved', {}),
  stalledReader('downstream', 'observed', { onData: () => {} }),
  stalledReader('upstream', 'with an asynchronous transform', { transform: async (chunk) => chunk }),
  identity('unobserved', {}, NO_LIMITS),
  identity('observed', { onData: () => {} }, NO_LIMITS),
  identity(
    'with a transform that is sometimes asynchronous',
    {
      transform: (chunk) => (chunk.length % 2 === 0 ? chunk : Promise.resolve(chunk)),
    },
    NO_LIMITS,
  ),
  identity('with the smallest buffer', {}, { ...NO_LIMITS, bufferBytes: 1 }),
  identity('with a large buffer', {}, { ...NO_LIMITS, bufferBytes: MiB }),

  engineCase('a held link moves nothing until it is released, and then all of it', async (scene) => {
    const { client, server, link } = await scene.relay()
    client.socket.write('before ')
    await server.has('before ')
    link.hold()
    client.socket.write('while held')
    server.socket.write('and back')
    // Proof without waiting: a second link on the same engine carries a whole exchange meanwhile.
    const other = await scene.relay()
    other.client.socket.write('x')
    await other.server.has('x')
    assert.equal(server.text, 'before ')
    assert.equal(client.text, '')
    link.release()
    await server.has('before while held')
    await client.has('and back')
  }),

  engineCase('a held link stops a sender like a stalled reader does', async (scene) => {
    const { client, server, link } = await scene.relay()
    link.hold()
    let isOver = false
    client.pour(POURED, () => isOver || client.socket.bytesWritten > KERNEL_BYTES_PER_LINK)
    await untilStill(() => client.socket.bytesWritten, STALLED_MS, 'the sender is stalled')
    assert.ok(client.socket.bytesWritten <= KERNEL_BYTES_PER_LINK)
    assert.deepEqual(link.totals, { upstream: 0, downstream: 0 })
    isOver = true
    link.release()
    client.socket.end()
    await server.sawEnd()
    assert.equal(server.received, client.socket.bytesWritten)
  }),

  engineCase('a FIN that comes while a link is held is forwarded after the release', async (scene) => {
    const { client, server, link } = await scene.relay()
    link.hold()
    client.socket.end('last')
    link.release()
    await server.sawEnd()
    assert.equal(server.text, 'last')
  }),

  engineCase("the link's totals are live", async (scene) => {
    const { client, server, link } = await scene.relay()
    client.socket.write('12345')
    await server.has('12345')
    server.socket.write('123')
    await client.has('123')
    assert.deepEqual(link.totals, { upstream: 5, downstream: 3 })
  }),
]
