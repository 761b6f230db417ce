/**
 * Bytes that arrive in chunks and are wanted in whole records.
 *
 * A record that lies within one chunk is read where it is; only one that spans chunks is gathered in the carry,
 * which grows (doubling, so amortised O(n)) as its bytes arrive, never on the word of a length field.
 */

import { TidegateError } from '../errors.js'

export const EMPTY_BYTES: Uint8Array = new Uint8Array(0)

/** A view, not a copy; a plain Uint8Array even when `bytes` is Node's Buffer, whose `slice` and `subarray` differ. */
export const viewOf = (bytes: Uint8Array, start: number, length: number): Uint8Array =>
  new Uint8Array(bytes.buffer, bytes.byteOffset + start, length)

export const dataViewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

/** Big-endian, as on the wire; bytes beyond the end count as 0. */
export const u16be = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)

export const u32be = (bytes: Uint8Array, at: number): number =>
  ((u16be(bytes, at) << 16) | u16be(bytes, at + 2)) >>> 0

/** One after the other; what is there already, where only one of them has bytes. */
export const joined = (parts: readonly Uint8Array[]): Uint8Array => {
  const [first = EMPTY_BYTES, ...others] = parts.filter(({ length }) => length > 0)
  if (others.length === 0) return first
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** Smallest carry that is allocated: most records that span two chunks are packets of at most 64 KiB. */
const MIN_CARRY_BYTES = 4096

const ABSENT = dataViewOf(EMPTY_BYTES)

export class ByteQueue {
  /** Bytes of the current chunk from `#read` on come after the `#carried` bytes in the carry. */
  #chunk = EMPTY_BYTES
  #chunkView = ABSENT
  #read = 0
  #carry = EMPTY_BYTES
  #carryView = ABSENT
  #carried = 0
  #position = 0

  /** How many bytes have been consumed since the beginning: the file offset of the next one. */
  get position(): number {
    return this.#position
  }

  get available(): number {
    return this.#carried + this.#chunk.length - this.#read
  }

  /** @throws TidegateError `misuse` when the chunk before was not used up: its reader was not iterated to the end. */
  feed(chunk: Uint8Array): void {
    if (this.#read < this.#chunk.length)
      throw new TidegateError('misuse', 'the records of one chunk must be read before the next is pushed', {
        fault: 'internal',
      })
    this.#chunk = chunk
    this.#chunkView = dataViewOf(chunk)
    this.#read = 0
  }

  /** Forgets the used-up chunk, so that its memory is free while the next is awaited. */
  settle(): void {
    if (this.#read < this.#chunk.length) return
    this.#chunk = EMPTY_BYTES
    this.#chunkView = ABSENT
    this.#read = 0
  }

  /** Whether the next `n` bytes are here, and if so readable in one piece. If not, all there are have been carried over. */
  ensure(n: number): boolean {
    if (this.#carried === 0 ? this.#chunk.length - this.#read >= n : this.#carried >= n) return true
    return this.#gather(n)
  }

  #gather(n: number): boolean {
    const taken = Math.min(n - this.#carried, this.#chunk.length - this.#read)
    const needed = this.#carried + taken
    if (needed > this.#carry.length) this.#grow(Math.max(needed, Math.min(2 * this.#carry.length, n)))
    this.#carry.set(viewOf(this.#chunk, this.#read, taken), this.#carried)
    this.#carried = needed
    this.#read += taken
    return needed >= n
  }

  #grow(capacity: number): void {
    const carry = new Uint8Array(Math.max(capacity, MIN_CARRY_BYTES))
    carry.set(viewOf(this.#carry, 0, this.#carried))
    this.#carry = carry
    this.#carryView = dataViewOf(carry)
  }

  /** The byte `at` bytes ahead; like all reads that follow, only within what `ensure` promised. */
  u8(at: number): number {
    return this.#carried === 0 ? this.#chunkView.getUint8(this.#read + at) : this.#carryView.getUint8(at)
  }

  u16(at: number, littleEndian: boolean): number {
    return this.#carried === 0
      ? this.#chunkView.getUint16(this.#read + at, littleEndian)
      : this.#carryView.getUint16(at, littleEndian)
  }

  u32(at: number, littleEndian: boolean): number {
    return this.#carried === 0
      ? this.#chunkView.getUint32(this.#read + at, littleEndian)
      : this.#carryView.getUint32(at, littleEndian)
  }

  i64(at: number, littleEndian: boolean): bigint {
    return this.#carried === 0
      ? this.#chunkView.getBigInt64(this.#read + at, littleEndian)
      : this.#carryView.getBigInt64(at, littleEndian)
  }

  /** A view, valid until the next call of `ensure`, `skip`, `skipZeros` or `feed`, or until fewer bytes than it ends at are consumed. */
  bytes(at: number, length: number): Uint8Array {
    return this.#carried === 0
      ? viewOf(this.#chunk, this.#read + at, length)
      : viewOf(this.#carry, at, length)
  }

  /** Only within what `ensure` promised. */
  consume(n: number): void {
    this.#position += n
    if (this.#carried === 0) {
      this.#read += n
      return
    }
    const rest = this.#carried - n
    if (rest <= this.#read) {
      // What is left in the carry came from this chunk: read it there, so that later records are not copied.
      this.#read -= rest
      this.#carried = 0
    } else {
      this.#carry.copyWithin(0, n, this.#carried)
      this.#carried = rest
    }
  }

  /** Consumes up to `n` of the bytes that are here, without gathering them. Returns how many. */
  skip(n: number): number {
    const carried = Math.min(n, this.#carried)
    if (carried > 0) this.consume(carried)
    const read = this.#carried === 0 ? Math.min(n - carried, this.#chunk.length - this.#read) : 0
    this.#read += read
    this.#position += read
    return carried + read
  }

  /** Consumes leading zero bytes. False when another byte follows them. */
  skipZeros(): boolean {
    while (this.available > 0) {
      this.ensure(1)
      if (this.u8(0) !== 0) return false
      this.consume(1)
    }
    return true
  }
}
