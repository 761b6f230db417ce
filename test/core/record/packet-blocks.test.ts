import { describe, expect, it } from 'vitest'
import { dataViewOf } from '../../../src/core/bytes.js'
import {
  beginPacket,
  encodeInterface,
  encodeText,
  endPacket,
  packetBlockLength,
} from '../../../src/core/codec/pcapng/writer.js'
import { BlockWalk, packetBlocks } from '../../../src/core/record/packet-blocks.js'
import { concat } from './parse.js'

const packet = (interfaceIndex: number, timeMs: number, data: string, comments: readonly string[] = []) => {
  const encoded = comments.map((comment) => encodeText(comment))
  const bytes = new Uint8Array(packetBlockLength(data.length, encoded))
  const view = dataViewOf(bytes)
  bytes.set(encodeText(data), beginPacket(view, 0, interfaceIndex, timeMs, data.length))
  endPacket(view, 0, data.length, encoded)
  return bytes
}

const INTERFACE = encodeInterface({ linkType: 101, name: '', description: '' })

describe('a walk over blocks', () => {
  const first = packet(1, 1_700_000_000_000.5, 'hello', ['of a user', 'tidegate close {}'])
  const second = packet(0, 2, '')
  // Not at the start of its memory, as in a slab.
  const blocks = concat([new Uint8Array(4), first, INTERFACE, second]).subarray(4)

  it('comes to each block in turn, and says which are packets', () => {
    const walk = new BlockWalk()
    walk.start(blocks)
    const seen: (readonly [number, number, boolean])[] = []
    while (walk.next()) seen.push([walk.at, walk.length, walk.isPacket])
    expect(seen).toEqual([
      [0, first.length, true],
      [first.length, INTERFACE.length, false],
      [first.length + INTERFACE.length, second.length, true],
    ])
    expect(walk.next()).toBe(false)
  })

  it('says what each packet has', () => {
    const packets = []
    for (const { interfaceIndex, timeNs, data, originalLength, whole, comments } of packetBlocks(blocks))
      packets.push({ interfaceIndex, timeNs, data, originalLength, whole, comments })
    expect(packets).toEqual([
      {
        interfaceIndex: 1,
        timeNs: 1_700_000_000_000_500_000n,
        data: encodeText('hello'),
        originalLength: 5,
        whole: first,
        comments: ['of a user', 'tidegate close {}'],
      },
      {
        interfaceIndex: 0,
        timeNs: 2_000_000n,
        data: new Uint8Array(0),
        originalLength: 0,
        whole: second,
        comments: [],
      },
    ])
  })

  it('refuses to go on where no whole block follows', () => {
    const walk = new BlockWalk()
    walk.start(concat([second, first.subarray(0, -4)]))
    expect(walk.next()).toBe(true)
    expect(() => walk.next()).toThrow(`no whole pcapng block at byte ${second.length}`)
    walk.start(new Uint8Array(11))
    expect(() => walk.next()).toThrow('no whole pcapng block at byte 0')
  })
})
