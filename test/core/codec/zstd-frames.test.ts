import { describe, expect, it } from 'vitest'
import { ZstdFrames } from '../../../src/core/codec/zstd-frames.js'
import { ascii, bytes, concat } from './builders.js'

const MAGIC = bytes(0x28, 0xb5, 0x2f, 0xfd)
const block = (kind: number, size: number, last = true) => {
  const value = (size << 3) | (kind << 1) | (last ? 1 : 0)
  return bytes(value & 255, (value >> 8) & 255, value >> 16)
}
const RAW = 0
const RUN = 1

/** What headers are as long as: the descriptor, then so many bytes. */
const FRAMES = [
  ['a window', concat(MAGIC, bytes(0x00, 0x40), block(RAW, 3), ascii('abc'))],
  ['one segment with its size', concat(MAGIC, bytes(0x20, 3), block(RAW, 3), ascii('abc'))],
  ['a checksum', concat(MAGIC, bytes(0x24, 3), block(RAW, 3), ascii('abcDIGE'))],
  ['a size of eight bytes and a dictionary', concat(MAGIC, bytes(0xe3, ...Array(12).fill(1)), block(RAW, 0))],
  ['a run of one byte', concat(MAGIC, bytes(0x20, 200), block(RUN, 200), ascii('z'))],
  [
    'several blocks',
    concat(MAGIC, bytes(0x20, 6), block(RAW, 3, false), ascii('abc'), block(RAW, 3), ascii('def')),
  ],
  ['what is to be skipped', concat(bytes(0x53, 0x2a, 0x4d, 0x18, 2, 0, 0, 0), ascii('xy'))],
] as const

/** Where each frame ends, however the bytes come. */
const endsIn = (file: Uint8Array, chunkBytes: number): (number | null)[] => {
  const frames = new ZstdFrames()
  const ends: (number | null)[] = []
  for (let start = 0; start < file.length; start += chunkBytes) {
    const chunk = file.subarray(start, start + chunkBytes)
    for (let at = 0; at < chunk.length; ) {
      const end = frames.take(chunk, at)
      if (end === null) return [...ends, null]
      at = end
      if (frames.isBetween) ends.push(start + end)
    }
  }
  return ends
}

describe('a zstd frame', () => {
  it.each(FRAMES)('with %s ends where it does, in chunks of any size', (_, frame) => {
    const two = concat(frame, frame)
    for (let size = 1; size <= two.length; size++)
      expect(endsIn(two, size)).toEqual([frame.length, two.length])
  })

  it.each(FRAMES)('with %s is not over one byte before', (_, frame) => {
    expect(endsIn(frame.subarray(0, -1), 1000)).toEqual([])
  })

  it('is not begun by anything else', () => {
    expect(endsIn(concat(FRAMES[0][1], ascii('garbage')), 1000)).toEqual([FRAMES[0][1].length, null])
  })
})
