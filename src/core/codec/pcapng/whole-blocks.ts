/** How far a pcapng file that is still being written can be read: to the end of its last whole block. */

import { u32be } from '../../bytes.js'
import { BLOCK_TYPE, BYTE_ORDER_MAGIC } from './blocks.js'

const SECTION_MAGIC_AT = 8
const HEAD_BYTES = 12

const u32le = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)) >>>
  0

/** Given the bytes of a file in order, from block to block. */
export class WholeBlocks {
  #littleEndian = true

  /**
   * Bytes at the start of `bytes`, which begins at a block, that are whole blocks. A block that no file has (its length is
   * not one) counts to the end: whoever reads it says what is wrong with it. `needed` is what the block after them takes in all,
   * 0 where that is not known yet.
   */
  count(bytes: Uint8Array): { readonly whole: number; readonly needed: number } {
    let at = 0
    while (at + HEAD_BYTES <= bytes.length) {
      if (u32be(bytes, at) === BLOCK_TYPE.sectionHeader)
        this.#littleEndian = u32be(bytes, at + SECTION_MAGIC_AT) !== BYTE_ORDER_MAGIC
      const length = this.#littleEndian ? u32le(bytes, at + 4) : u32be(bytes, at + 4)
      // Zeros, where a file was made longer before it was written.
      if (length === 0 && u32be(bytes, at) === 0) return { whole: at, needed: 0 }
      if (length < HEAD_BYTES || length % 4 !== 0) return { whole: bytes.length, needed: 0 }
      if (at + length > bytes.length) return { whole: at, needed: length }
      at += length
    }
    return { whole: at, needed: 0 }
  }
}
