/**
 * What a store has to know of a recorder's packets to take a connection from one file to the next: whose they are, and where in its
 * stream. They are our own: one IP packet with one TCP segment each, see tcp-packet.ts.
 */

import { EPB } from '../../codec/pcapng/blocks.js'
import { BlockWalk } from '../packet-blocks.js'
import { FLAGS, HEADER_BYTES } from '../tcp-packet.js'

/** The packet that a walk has come to, and where things are in its view; filled anew for each, so that walking allocates nothing. */
export interface PacketCursor {
  readonly block: BlockWalk
  version: 4 | 6
  sourceAt: number
  destinationAt: number
  addressWords: number
  sourcePort: number
  destinationPort: number
  flags: number
  sequence: number
  payloadBytes: number
}

export const newCursor = (): PacketCursor => ({
  block: new BlockWalk(),
  version: 4,
  sourceAt: 0,
  destinationAt: 0,
  addressWords: 1,
  sourcePort: 0,
  destinationPort: 0,
  flags: 0,
  sequence: 0,
  payloadBytes: 0,
})

/** The shortest headers there are. */
const MIN_HEADER_BYTES = 40

/** Reads the packet of the block that the walk has come to; false for any other block. */
export const readPacket = (cursor: PacketCursor): boolean => {
  const { block } = cursor
  if (!block.isPacket) return false
  const { capturedLength } = block
  if (capturedLength < MIN_HEADER_BYTES) return false
  const { view } = block
  const ip = block.at + EPB.data
  const version = view.getUint8(ip) >>> 4
  if (version !== 4 && version !== 6) return false
  const ipBytes = HEADER_BYTES[version]
  const tcp = ip + ipBytes
  const tcpBytes = (view.getUint8(tcp + 12) >>> 4) * 4
  cursor.version = version
  cursor.sourceAt = ip + (version === 4 ? 12 : 8)
  cursor.destinationAt = ip + (version === 4 ? 16 : 24)
  cursor.addressWords = version === 4 ? 1 : 4
  cursor.sourcePort = view.getUint16(tcp)
  cursor.destinationPort = view.getUint16(tcp + 2)
  cursor.flags = view.getUint8(tcp + 13)
  cursor.sequence = view.getUint32(tcp + 4)
  cursor.payloadBytes = capturedLength - ipBytes - tcpBytes
  return true
}

/** Its `open` comment is the first that is said of the connection: it comes with a SYN. One that is said again comes with whatever is next. */
export const isFirstOpen = ({ flags }: PacketCursor): boolean => (flags & FLAGS.syn) !== 0

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
export const hashEnds = (packet: PacketCursor): number => {
  const { view } = packet.block
  return (
    (hashEnd(view, packet.sourceAt, packet.addressWords, packet.sourcePort) +
      hashEnd(view, packet.destinationAt, packet.addressWords, packet.destinationPort)) |
    0
  )
}
