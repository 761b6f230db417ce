import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import type { PacketEnds } from '../../../src/core/record/endpoints.js'
import { sharedEnds, Tuples } from '../../../src/core/record/tuples.js'

const SLOTS = 4096

const ends = (clientPort: number, serverPort = 6379): PacketEnds => ({
  version: 4,
  client: { words: [0x7f000001], port: clientPort },
  server: { words: [0x7f000001], port: serverPort },
})

describe('ends of a recording', () => {
  it('are the real ones as long as nobody else has them', () => {
    const tuples = new Tuples(sharedEnds(64), 0)
    expect(tuples.claim(ends(5000))).toEqual(ends(5000))
    expect(tuples.claim(ends(5000, 6380))).toEqual(ends(5000, 6380))
  })

  it('get another client port while somebody else has them', () => {
    const tuples = new Tuples(sharedEnds(64), 0)
    tuples.claim(ends(5000))
    expect(tuples.claim(ends(5000))).toEqual(ends(49152))
    expect(tuples.claim(ends(5000))).toEqual(ends(49153))
  })

  it('go around the end of the port range', () => {
    const tuples = new Tuples(sharedEnds(64), 0)
    tuples.claim(ends(65535))
    expect(tuples.claim(ends(65535))).toEqual(ends(49152))
  })

  it('can be had again once they are released', () => {
    const tuples = new Tuples(sharedEnds(64), 0)
    tuples.claim(ends(5000))
    tuples.release(ends(5000))
    expect(tuples.claim(ends(5000))).toEqual(ends(5000))
  })

  it('are the same for every owner, and those of one that is gone are free', () => {
    const memory = sharedEnds(64)
    const [one, two] = [new Tuples(memory, 0), new Tuples(memory, 1)]
    one.claim(ends(5000))
    expect(two.claim(ends(5000))).toEqual(ends(49152))
    two.release(ends(5000))
    expect(two.claim(ends(5000))).not.toEqual(ends(5000))
    one.releaseAll()
    expect(two.claim(ends(5000))).toEqual(ends(5000))
  })

  it('are the real ones for thousands of different connections, up to a nearly full table', () => {
    const tuples = new Tuples(sharedEnds(SLOTS), 0)
    const all = Array.from({ length: SLOTS * 0.9 }, (_, n) => ends(1024 + n, 6379 + (n % 3)))
    for (const pair of all) expect(tuples.claim(pair)).toBe(pair)
    for (const pair of all.slice(0, 100)) expect(tuples.claim(pair)).not.toEqual(pair)
    for (const pair of all) tuples.release(pair)
    for (const pair of all.slice(100)) expect(tuples.claim(pair)).toBe(pair)
  })

  it('differ by any word of an address', () => {
    const v6 = (words: readonly number[]): PacketEnds => ({
      version: 6,
      client: { words, port: 5000 },
      server: { words: [0, 0, 0, 1], port: 6379 },
    })
    const tuples = new Tuples(sharedEnds(64), 0)
    for (const words of [
      [1, 2, 3, 4],
      [1, 2, 3, 5],
      [1, 2, 4, 3],
      [2, 2, 3, 4],
    ])
      expect(tuples.claim(v6(words))).toEqual(v6(words))
  })

  it('are never given to two threads at once, however they race', async () => {
    const THREADS = 3
    const memory = sharedEnds(256)
    const held = new SharedArrayBuffer(65536 * Int32Array.BYTES_PER_ELEMENT)
    const threads = Array.from(
      { length: THREADS },
      (_, owner) =>
        new Worker(new URL('./tuples-thread.mjs', import.meta.url), { workerData: { memory, owner, held } }),
    )
    const answers = await Promise.all(threads.map(async (thread) => (await once(thread, 'message'))[0]))
    expect(answers).toEqual(Array(THREADS).fill('never shared'))
  })
})
