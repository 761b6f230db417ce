import { describe, expect, it } from 'vitest'
import type { PacketEnds } from '../../../src/core/record/endpoints.js'
import { sharedEnds, Tuples } from '../../../src/core/record/tuples.js'

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
})
