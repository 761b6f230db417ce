/**
 * Finds where the frames of zstd data end, without undoing them (RFC 8878, section 3.1): decoders take a frame at a time, and
 * do not all say that bytes are missing, or left over.
 *
 *     frame      = magic descriptor rest-of-header block* checksum?
 *     block      = 3 bytes (last: 1 bit, type: 2, size: 21), then its bytes: one for a run of the same byte, else `size`
 *     skippable  = magic size bytes
 */

const ZSTD_MAGIC = 0xfd2fb528
const SKIPPABLE_MAGIC = 0x184d2a50
const SKIPPABLE_MASK = 0xfffffff0

const BLOCK_OF_ONE_BYTE = 1
const CHECKSUM_BYTES = 4

/** By the descriptor's flags; the content size also has one byte when the window's is left out. */
const DICTIONARY_BYTES = [0, 1, 2, 4] as const
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const

const headerRest = (descriptor: number): number => {
  const isSingle = (descriptor & 0x20) !== 0
  const contentSize = CONTENT_SIZE_BYTES[descriptor >> 6] ?? 0
  const dictionary = DICTIONARY_BYTES[descriptor & 3] ?? 0
  return (isSingle ? 0 : 1) + dictionary + (contentSize === 0 && isSingle ? 1 : contentSize)
}

/** What comes next, and how many bytes of it have to be seen to go on. */
const FIELD_BYTES = { magic: 4, size: 4, descriptor: 1, block: 3 } as const
type Field = keyof typeof FIELD_BYTES

export class ZstdFrames {
  /** The current frame holds data; false for one that decoders pass over. */
  holdsData = true
  #field: Field = 'magic'
  #value = 0
  #have = 0
  /** Bytes nobody looks into, before the field. */
  #skip = 0
  #hasChecksum = false

  /** Nothing of a frame was seen that is not over. */
  get isBetween(): boolean {
    return this.#field === 'magic' && this.#have === 0 && this.#skip === 0
  }

  /**
   * Takes bytes from `at` on, to the end of the current frame or of `bytes`; returns where it stopped. Null where a frame
   * should begin and none does.
   */
  take(bytes: Uint8Array, at: number): number | null {
    let next = at
    while (next < bytes.length) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, bytes.length - next)
        this.#skip -= skipped
        next += skipped
      } else {
        this.#value += (bytes[next] ?? 0) * 2 ** (8 * this.#have)
        this.#have += 1
        next += 1
        if (this.#have === FIELD_BYTES[this.#field] && !this.#know()) return null
      }
      if (this.isBetween) return next
    }
    return next
  }

  /** The field was read. */
  #know(): boolean {
    const value = this.#value
    this.#value = 0
    this.#have = 0
    switch (this.#field) {
      case 'magic':
        this.holdsData = value === ZSTD_MAGIC
        this.#field = this.holdsData ? 'descriptor' : 'size'
        return this.holdsData || (value & SKIPPABLE_MASK) >>> 0 === SKIPPABLE_MAGIC
      case 'size':
        this.#skip = value
        this.#field = 'magic'
        return true
      case 'descriptor':
        this.#hasChecksum = (value & 4) !== 0
        this.#skip = headerRest(value)
        this.#field = 'block'
        return true
      case 'block':
        this.#skip = ((value >> 1) & 3) === BLOCK_OF_ONE_BYTE ? 1 : value >> 3
        if ((value & 1) === 0) return true
        this.#skip += this.#hasChecksum ? CHECKSUM_BYTES : 0
        this.#field = 'magic'
        return true
    }
  }
}
