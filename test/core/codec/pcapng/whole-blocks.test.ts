import { describe, expect, it } from 'vitest'
import { WholeBlocks } from '../../../../src/core/codec/pcapng/whole-blocks.js'
import { bytes, concat, Pcapng } from '../builders.js'

describe.each(['little', 'big'] as const)('a %s-endian file that is being written', (order) => {
  const pcapng = new Pcapng(order)
  const blocks = [pcapng.section(), pcapng.interface(101), pcapng.packet(0, 1n, bytes(1, 2, 3, 4, 5))]
  const file = concat(...blocks)
  const ends = [0, blocks[0]!.length, blocks[0]!.length + blocks[1]!.length, file.length]

  it('is whole up to the end of its last block, however short it is', () => {
    for (let length = 0; length <= file.length; length++)
      expect(new WholeBlocks().count(file.subarray(0, length)).whole).toBe(
        Math.max(...ends.filter((end) => end <= length)),
      )
  })

  it('says how long the block will be that is not whole', () => {
    const blocksSeen = new WholeBlocks()
    expect(blocksSeen.count(file.subarray(0, -1))).toEqual({ whole: ends[2], needed: blocks[2]!.length })
    expect(blocksSeen.count(file.subarray(ends[2]))).toEqual({ whole: blocks[2]!.length, needed: 0 })
  })

  it('waits at zeros, and leaves other nonsense to its reader', () => {
    expect(new WholeBlocks().count(concat(file, new Uint8Array(40))).whole).toBe(file.length)
    const nonsense = concat(file, new Uint8Array(40).fill(7))
    expect(new WholeBlocks().count(nonsense).whole).toBe(nonsense.length)
  })
})
