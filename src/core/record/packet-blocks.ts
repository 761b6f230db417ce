/**
 * Walks over what a recorder has written, block by block, without a copy: whole blocks of our own, little-endian, one after the
 * other. A step allocates nothing; data and comments cost something only when somebody asks for them.
 */

import { dataViewOf, EMPTY_BYTES, viewOf } from '../bytes.js'
import {
  BLOCK_OVERHEAD_BYTES,
  BLOCK_TYPE,
  EPB,
  MIN_BLOCK_BYTES,
  OPTION,
  padded,
} from '../codec/pcapng/blocks.js'
import { readOptions, textOf } from '../codec/pcapng/reader-options.js'

const LENGTH_AT = 4
const TRAILER_BYTES = 4

const NO_COMMENTS: readonly string[] = []

/** What a packet's block says. All but its bytes is valid only until the walk goes on. */
export interface PacketBlock {
  readonly interfaceIndex: number
  /** The packet, where it is. */
  readonly data: Uint8Array
  readonly originalLength: number
  /** Nanoseconds since 1970, exactly. */
  readonly timeNs: bigint
  /** All of the block, where it is. */
  readonly whole: Uint8Array
  /** Few packets have any. */
  readonly comments: readonly string[]
}

/** The block that a walk has come to. */
export class BlockWalk implements PacketBlock {
  #bytes = EMPTY_BYTES
  #view = dataViewOf(EMPTY_BYTES)
  #at = 0
  #length = 0
  #data: Uint8Array | null = null
  #comments: readonly string[] | null = null

  /** Of all blocks: the one it has come to is `length` bytes from `at` on. */
  get view(): DataView {
    return this.#view
  }

  get at(): number {
    return this.#at
  }

  get length(): number {
    return this.#length
  }

  /** In front of the first of these blocks. */
  start(bytes: Uint8Array): void {
    this.#bytes = bytes
    this.#view = dataViewOf(bytes)
    this.#at = 0
    this.#length = 0
  }

  /** To the next block; false if that was the last. @throws Error if what follows is no whole block. */
  next(): boolean {
    const at = this.#at + this.#length
    this.#at = at
    this.#length = 0
    this.#data = null
    this.#comments = null
    const left = this.#view.byteLength - at
    if (left === 0) return false
    const length = left < BLOCK_OVERHEAD_BYTES ? 0 : this.#view.getUint32(at + LENGTH_AT, true)
    if (length < BLOCK_OVERHEAD_BYTES || length % 4 !== 0 || length > left)
      throw new Error(`no whole pcapng block at byte ${at} of what is to be stored`)
    this.#length = length
    return true
  }

  get isPacket(): boolean {
    return (
      this.#length >= MIN_BLOCK_BYTES.enhancedPacket &&
      this.#view.getUint32(this.#at, true) === BLOCK_TYPE.enhancedPacket
    )
  }

  // What follows is only for packets.

  get interfaceIndex(): number {
    return this.#view.getUint32(this.#at + EPB.interface, true)
  }

  get timeNs(): bigint {
    const high = this.#view.getUint32(this.#at + EPB.timeHigh, true)
    return (BigInt(high) << 32n) | BigInt(this.#view.getUint32(this.#at + EPB.timeLow, true))
  }

  get capturedLength(): number {
    return this.#view.getUint32(this.#at + EPB.captured, true)
  }

  get originalLength(): number {
    return this.#view.getUint32(this.#at + EPB.original, true)
  }

  get data(): Uint8Array {
    this.#data ??= viewOf(this.#bytes, this.#at + EPB.data, this.capturedLength)
    return this.#data
  }

  get whole(): Uint8Array {
    return viewOf(this.#bytes, this.#at, this.#length)
  }

  get comments(): readonly string[] {
    this.#comments ??= this.#readComments()
    return this.#comments
  }

  #readComments(): readonly string[] {
    const optionsAt = EPB.data + padded(this.capturedLength)
    const length = this.#length - TRAILER_BYTES - optionsAt
    if (length <= 0) return NO_COMMENTS
    const comments: string[] = []
    readOptions(viewOf(this.#bytes, this.#at + optionsAt, length), true, (code, value) => {
      if (code === OPTION.comment) comments.push(textOf(value))
    })
    return comments
  }
}

/** The packets among these blocks. It is the same object each time. @throws Error if they are not whole blocks. */
export function* packetBlocks(bytes: Uint8Array): Generator<PacketBlock> {
  const walk = new BlockWalk()
  walk.start(bytes)
  while (walk.next()) if (walk.isPacket) yield walk
}
