/**
 * Which end of a connection is the client.
 *
 * The sender of the SYN, or the receiver of a SYN-ACK. Where neither was captured, what the recording says: the addresses
 * of its `open` annotation, the direction of a `gap` annotation. Where it says nothing, the end with the
 * higher port, as clients are given ephemeral ports; if the ports are equal, the sender of the first packet.
 */

import { parseAddress } from '../address.js'
import { u32be } from '../bytes.js'
import type { OpenAnnotation } from '../record/annotation.js'
import { type PacketEnd, packetEnds } from '../record/endpoints.js'
import type { Notes } from './notes.js'
import { type Segment, TCP_FLAG } from './segment.js'

/** The server's end as the recorder wrote it; null when the annotation has no addresses that can be read. */
const recordedServer = ({ client, server, id }: OpenAnnotation): PacketEnd | null => {
  try {
    return packetEnds(parseAddress(client), parseAddress(server), id).server
  } catch {
    return null
  }
}

const isAt = (end: PacketEnd, packet: Uint8Array, addressAt: number, port: number): boolean =>
  end.port === port && end.words.every((word, index) => word === u32be(packet, addressAt + index * 4))

/** Whether the sender of the connection's first captured packet is the client. */
export const senderIsClient = (packet: Uint8Array, segment: Segment, notes: Notes): boolean => {
  if ((segment.flags & TCP_FLAG.syn) !== 0) return (segment.flags & TCP_FLAG.ack) === 0
  // Only the server's end is sure: the recorder may have had to give the client another port.
  const server = notes.open === null ? null : recordedServer(notes.open)
  if (server !== null && isAt(server, packet, segment.destinationAt, segment.destinationPort)) return true
  if (server !== null && isAt(server, packet, segment.sourceAt, segment.sourcePort)) return false
  const gap = notes.gaps[0]
  if (gap !== undefined) return gap.direction === 'upstream'
  return segment.sourcePort >= segment.destinationPort
}
