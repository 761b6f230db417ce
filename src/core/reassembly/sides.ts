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
import { type PacketEnds, packetEnds } from '../record/endpoints.js'
import type { Notes } from './notes.js'
import { type Segment, TCP_FLAG } from './segment.js'

/** The ends the recorder gave the packets of this connection; null when the annotation has no addresses that can be read. */
const recordedEnds = ({ client, server, id }: OpenAnnotation): PacketEnds | null => {
  try {
    return packetEnds(parseAddress(client), parseAddress(server), id)
  } catch {
    return null
  }
}

const isSource = (end: PacketEnds['client'], packet: Uint8Array, segment: Segment): boolean =>
  end.port === segment.sourcePort &&
  end.words.every((word, index) => word === u32be(packet, segment.sourceAt + index * 4))

/** Whether the sender of the connection's first captured packet is the client. */
export const senderIsClient = (packet: Uint8Array, segment: Segment, notes: Notes): boolean => {
  if ((segment.flags & TCP_FLAG.syn) !== 0) return (segment.flags & TCP_FLAG.ack) === 0
  const ends = notes.open === null ? null : recordedEnds(notes.open)
  if (ends !== null && isSource(ends.client, packet, segment)) return true
  if (ends !== null && isSource(ends.server, packet, segment)) return false
  const gap = notes.gaps[0]
  if (gap !== undefined) return gap.direction === 'upstream'
  return segment.sourcePort >= segment.destinationPort
}
