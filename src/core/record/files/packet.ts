/**
 * Reads what a recorder has written, packet by packet, without a copy: only what a store has to know to take a connection from one
 * file to the next. The blocks are our own (little-endian, one IP packet with one TCP segment each, see tcp-packet.ts).
 */

import { BLOCK_TYPE, MIN_BLOCK_BYTES, OPTION, padded } from '../../codec/pcapng/blocks.js'
import { HEADER_BYTES } from '../tcp-packet.js'

const DATA_AT = MIN_BLOCK_BYTES.enhancedPacket - 4

/** Where things are in the packet of one block; filled anew for each, so that walking allocates nothing. */
export interface PacketCursor {
  view: DataView
  /** Of the block. */
  at: number
  length: number
  version: 4 | 6
  interfaceIndex: number
  sourceAt: number
  destinationAt: number
  addressWords: number
  sourcePort: number
  destinationPort: number
  flags: number
  sequence: number
  payloadBytes: number
  /** Where its options begin, if it has any; else 0. */
  optionsAt: number
}

export const newCursor = (): PacketCursor => ({
  view: new DataView(new ArrayBuffer(0)),
  at: 0,
  length: 0,
  version: 4,
  interfaceIndex: 0,
  sourceAt: 0,
  destinationAt: 0,
  addressWords: 1,
  sourcePort: 0,
  destinationPort: 0,
  flags: 0,
  sequence: 0,
  payloadBytes: 0,
  optionsAt: 0,
})

/** The block's length at `at`. @throws Error if there is no whole block. */
export const blockLength = (view: DataView, at: number): number => {
  const length = at + 12 > view.byteLength ? 0 : view.getUint32(at + 4, true)
  if (length < 12 || length % 4 !== 0 || at + length > view.byteLength)
    throw new Error(`no whole pcapng block at byte ${at} of what is to be stored`)
  return length
}

/** Reads the packet of the block at `at`; false for any other block. */
export const readPacket = (cursor: PacketCursor, view: DataView, at: number, length: number): boolean => {
  if (view.getUint32(at, true) !== BLOCK_TYPE.enhancedPacket || length < MIN_BLOCK_BYTES.enhancedPacket + 40)
    return false
  const captured = view.getUint32(at + 20, true)
  const ip = at + DATA_AT
  const version = view.getUint8(ip) >>> 4
  if (version !== 4 && version !== 6) return false
  const ipBytes = HEADER_BYTES[version]
  const tcp = ip + ipBytes
  const tcpBytes = (view.getUint8(tcp + 12) >>> 4) * 4
  const dataEnd = DATA_AT + padded(captured)
  cursor.view = view
  cursor.at = at
  cursor.length = length
  cursor.version = version
  cursor.interfaceIndex = view.getUint32(at + 8, true)
  cursor.sourceAt = ip + (version === 4 ? 12 : 8)
  cursor.destinationAt = ip + (version === 4 ? 16 : 24)
  cursor.addressWords = version === 4 ? 1 : 4
  cursor.sourcePort = view.getUint16(tcp)
  cursor.destinationPort = view.getUint16(tcp + 2)
  cursor.flags = view.getUint8(tcp + 13)
  cursor.sequence = view.getUint32(tcp + 4)
  cursor.payloadBytes = captured - ipBytes - tcpBytes
  cursor.optionsAt = dataEnd + 4 < length ? at + dataEnd : 0
  return true
}

/** The finisher of MurmurHash3. */
const mix = (value: number): number => {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}

const hashEnd = (view: DataView, at: number, words: number, port: number): number => {
  let hash = port
  for (let word = 0; word < words; word++) hash = mix(hash ^ view.getUint32(at + word * 4))
  return mix(hash ^ port)
}

/** The same for both directions. */
export const hashEnds = (packet: PacketCursor): number =>
  (hashEnd(packet.view, packet.sourceAt, packet.addressWords, packet.sourcePort) +
    hashEnd(packet.view, packet.destinationAt, packet.addressWords, packet.destinationPort)) |
  0

const TEXT = new TextDecoder()

/** Calls back with each comment of the packet. */
export const readComments = (packet: PacketCursor, onComment: (comment: string) => void): void => {
  const { view, at, length, optionsAt } = packet
  const end = at + length - 4
  for (let option = optionsAt; option !== 0 && option + 4 <= end; ) {
    const code = view.getUint16(option, true)
    const bytes = view.getUint16(option + 2, true)
    if (code === OPTION.end || option + 4 + bytes > end) return
    if (code === OPTION.comment)
      onComment(TEXT.decode(new Uint8Array(view.buffer, view.byteOffset + option + 4, bytes)))
    option += 4 + padded(bytes)
  }
}
