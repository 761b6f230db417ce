/**
 * The packets that take a connection from one file to the next, each a pcapng block without data:
 *
 * - at the end of a file: an ACK of the client's with a `continue` comment
 * - before its first packet in the next: an ACK of the client's with its `open` comment, which says how far the file before has it, and
 *   the FINs of directions that had ended; of a connection that no file has been told of, a SYN and a SYN-ACK instead
 */

import { EPB } from '../../codec/pcapng/blocks.js'
import {
  beginPacket,
  encodeText,
  endPacket,
  NO_COMMENTS,
  packetBlockLength,
} from '../../codec/pcapng/writer.js'
import { encodeAnnotation } from '../annotation.js'
import { FLAGS, headerLength, writePacket } from '../tcp-packet.js'
import type { KnownConnection, KnownStream } from './connections.js'
import type { PacketCursor } from './packet.js'

const NOTHING = new Uint8Array(0)

/** What a `continue` takes at most: a block, an IPv6 and a TCP header, and three numbers of up to 16 digits in its comment. */
export const MAX_CONTINUE_BYTES = 32 + 60 + 8 + 112

/** Milliseconds since 1970, or that of another packet. */
type PacketTime = number | PacketCursor

const emptyPacket = (
  { interfaceIndex }: KnownConnection,
  stream: KnownStream,
  opposite: KnownStream,
  flags: number,
  time: PacketTime,
  comments: readonly Uint8Array[],
): Uint8Array => {
  const dataLength = headerLength(stream.route, flags)
  const bytes = new Uint8Array(packetBlockLength(dataLength, comments))
  const view = new DataView(bytes.buffer)
  const words = new Uint32Array(bytes.buffer)
  const at = beginPacket(view, 0, interfaceIndex, typeof time === 'number' ? time : 0, dataLength)
  if (typeof time !== 'number') copyTime(time, view)
  const isSyn = (flags & FLAGS.syn) !== 0
  const sequence = stream.firstSequence + (isSyn ? -1 : stream.position)
  const acknowledged = flags === FLAGS.syn ? 0 : opposite.firstSequence + (isSyn ? 0 : opposite.position)
  writePacket({ view, bytes, words }, at, stream.route, flags, sequence, acknowledged, NOTHING, 0, 0)
  endPacket(view, 0, dataLength, comments)
  return bytes
}

const copyTime = ({ block: { view, at } }: PacketCursor, to: DataView): void => {
  to.setUint32(EPB.timeHigh, view.getUint32(at + EPB.timeHigh, true), true)
  to.setUint32(EPB.timeLow, view.getUint32(at + EPB.timeLow, true), true)
}

const positionsOf = ({ upstream, downstream }: KnownConnection) => ({
  upstream: upstream.position,
  downstream: downstream.position,
})

/** Its sequence numbers are those of the next bytes, also where a direction has ended: a FIN follows then. */
export const introduce = (connection: KnownConnection, before: PacketCursor): readonly Uint8Array[] => {
  const { open, upstream, downstream } = connection
  if (!connection.told) return beginAgain(connection, before)
  const comment = encodeText(encodeAnnotation({ ...open, continues: positionsOf(connection) }))
  const fin = FLAGS.fin | FLAGS.ack
  return [
    emptyPacket(connection, upstream, downstream, FLAGS.ack, before, [comment]),
    ...(upstream.ended ? [emptyPacket(connection, upstream, downstream, fin, before, NO_COMMENTS)] : []),
    ...(downstream.ended ? [emptyPacket(connection, downstream, upstream, fin, before, NO_COMMENTS)] : []),
  ]
}

/** One that no file has been told of began in a write that failed: what it began with says whose each direction is, and where it starts. */
const beginAgain = (connection: KnownConnection, before: PacketCursor): readonly Uint8Array[] => {
  const { open, upstream, downstream } = connection
  const { syn, ack } = FLAGS
  return [
    emptyPacket(connection, upstream, downstream, syn, before, [encodeText(encodeAnnotation(open))]),
    emptyPacket(connection, downstream, upstream, syn | ack, before, NO_COMMENTS),
  ]
}

export const handOver = (connection: KnownConnection, timeMs: number): Uint8Array => {
  const { open, upstream, downstream } = connection
  const comment = encodeText(encodeAnnotation({ kind: 'continue', id: open.id, ...positionsOf(connection) }))
  return emptyPacket(connection, upstream, downstream, FLAGS.ack, timeMs, [comment])
}
