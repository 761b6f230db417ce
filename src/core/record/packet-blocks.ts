/** Walks over the packets of a recording as it is written: whole blocks of our own, little-endian, one after the other. */

import { dataViewOf, EMPTY_BYTES, viewOf } from '../bytes.js'
import { BLOCK_TYPE, OPTION, padded } from '../codec/pcapng/blocks.js'
import { readOptions, textOf } from '../codec/pcapng/reader-options.js'

/** type, length, interface, time, captured, original. */
const HEAD_BYTES = 28
const TRAILER_BYTES = 4
const AT = { length: 4, interface: 8, timeHigh: 12, timeLow: 16, captured: 20, original: 24 } as const

const NO_COMMENTS: readonly string[] = []

/** One block, filled anew for each. */
export interface PacketBlock {
  interfaceIndex: number
  /** Milliseconds since 1970. */
  timeMs: number
  /** The packet, where it is. */
  data: Uint8Array
  originalLength: number
  /** Nanoseconds since 1970, exactly. */
  readonly timeNs: bigint
  /** All of the block, where it is. */
  readonly whole: Uint8Array
  /** Read only when somebody asks: few packets have any. */
  readonly comments: readonly string[]
}

const TWO_32 = 2 ** 32
const NS_PER_MS = 1_000_000

class Block implements PacketBlock {
  interfaceIndex = 0
  timeMs = 0
  data = EMPTY_BYTES
  originalLength = 0
  #options = EMPTY_BYTES
  #bytes = EMPTY_BYTES
  #at = 0
  #length = 0
  #timeHigh = 0
  #timeLow = 0

  set(bytes: Uint8Array, view: DataView, at: number, length: number): void {
    const captured = view.getUint32(at + AT.captured, true)
    const optionsAt = at + HEAD_BYTES + padded(captured)
    const high = view.getUint32(at + AT.timeHigh, true)
    const low = view.getUint32(at + AT.timeLow, true)
    this.#bytes = bytes
    this.#at = at
    this.#length = length
    this.#timeHigh = high
    this.#timeLow = low
    this.interfaceIndex = view.getUint32(at + AT.interface, true)
    this.timeMs = (high * TWO_32) / NS_PER_MS + low / NS_PER_MS
    this.data = viewOf(bytes, at + HEAD_BYTES, captured)
    this.originalLength = view.getUint32(at + AT.original, true)
    this.#options = viewOf(bytes, optionsAt, Math.max(0, at + length - TRAILER_BYTES - optionsAt))
  }

  get timeNs(): bigint {
    return (BigInt(this.#timeHigh) << 32n) | BigInt(this.#timeLow)
  }

  get whole(): Uint8Array {
    return viewOf(this.#bytes, this.#at, this.#length)
  }

  get comments(): readonly string[] {
    if (this.#options.length === 0) return NO_COMMENTS
    const comments: string[] = []
    readOptions(this.#options, true, (code, value) => {
      if (code === OPTION.comment) comments.push(textOf(value))
    })
    return comments
  }
}

/** The block that is yielded is the same object each time. */
export function* packetBlocks(bytes: Uint8Array): Generator<PacketBlock> {
  const view = dataViewOf(bytes)
  const block = new Block()
  for (let at = 0; at + HEAD_BYTES <= bytes.length; ) {
    const length = view.getUint32(at + AT.length, true)
    if (length < HEAD_BYTES + TRAILER_BYTES || at + length > bytes.length) return
    if (view.getUint32(at, true) === BLOCK_TYPE.enhancedPacket) {
      block.set(bytes, view, at, length)
      yield block
    }
    at += length
  }
}
