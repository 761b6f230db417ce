import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ALL_ONES, fold, sumWords } from '../../src/core/checksum.js'

/** RFC 1071 by the letter. */
const plainSum = (bytes: Uint8Array): number => {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) {
    sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
    sum = (sum & 0xffff) + (sum >>> 16)
  }
  return sum
}

test('summing words as they lie in memory is the same as adding 16-bit words one by one', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(20), (bytes, skippedWords) => {
      const start = skippedWords * 4
      const length = bytes.length & ~3
      const memory = new Uint8Array(start + length + 8).fill(0xaa)
      memory.set(bytes.subarray(0, length), start)
      expect(sumWords(new Uint32Array(memory.buffer), start, length)).toBe(
        plainSum(bytes.subarray(0, length)),
      )
    }),
  )
})

test('the largest packet of all ones sums up exactly', () => {
  expect(sumWords(new Uint32Array(16_394).fill(0xffffffff), 0, 16_394 * 4)).toBe(ALL_ONES)
})

test('folding adds the carries back in, above 32 bits too', () => {
  expect(fold(0)).toBe(0)
  expect(fold(0xffff)).toBe(0xffff)
  expect(fold(0x10000)).toBe(1)
  expect(fold(0x1ffff)).toBe(1)
  expect(fold(2 ** 32 + 2 ** 16 + 1)).toBe(3)
  expect(fold(2 ** 40)).toBe(2 ** 8)
})
