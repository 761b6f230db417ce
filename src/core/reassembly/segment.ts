/**
 * Finds the TCP segment in a captured packet.
 *
 *     packet   = link-header ip tcp
 *     link     = nothing (RAW, IPV4, IPV6) / 4 bytes (NULL, LOOP) / 14 + 4 per VLAN tag (ETHERNET)
 *              / 16 bytes (LINUX_SLL) / 20 bytes (LINUX_SLL2)
 *     ip       = IPv4 with options (RFC 791) / IPv6 with extension headers (RFC 8200)
 *     tcp      = RFC 9293
 *
 * IP fragments are not put together: TCP avoids them, and half a segment would be taken for a whole one. Checksums are not
 * checked: captures on the sending machine have wrong ones where the network card fills them in.
 */

import { u16be, u32be } from '../bytes.js'
import { LINK_TYPE } from '../codec/link-types.js'

export const TCP_FLAG = { fin: 0x01, syn: 0x02, rst: 0x04, ack: 0x10 } as const

/** Filled anew for each packet, so that nothing is allocated but the key. */
export interface Segment {
  /** The same for both directions of a connection. */
  key: string
  /** Whether the sender comes first in `key`. */
  sourceIsFirst: boolean
  version: 4 | 6
  /** Where the two addresses are in the packet; each 4 or 16 bytes long. */
  sourceAt: number
  destinationAt: number
  sourcePort: number
  destinationPort: number
  sequence: number
  acknowledgment: number
  flags: number
  payloadAt: number
  /** Bytes of payload that were captured. */
  captured: number
  /** Bytes of payload that were sent. */
  payloadLength: number
}

export const createSegment = (): Segment => ({
  key: '',
  sourceIsFirst: true,
  version: 4,
  sourceAt: 0,
  destinationAt: 0,
  sourcePort: 0,
  destinationPort: 0,
  sequence: 0,
  acknowledgment: 0,
  flags: 0,
  payloadAt: 0,
  captured: 0,
  payloadLength: 0,
})

const NOT_IP = -1

const ETHERTYPE = { ipv4: 0x0800, ipv6: 0x86dd } as const
/** 802.1Q, 802.1ad, and the number QinQ had before. */
const VLAN_TAGS: ReadonlySet<number> = new Set([0x8100, 0x88a8, 0x9100])

const ETHERNET = { type: 12, tagBytes: 4, typeBytes: 2 } as const
const NULL_BYTES = 4
const SLL = { type: 14, bytes: 16 } as const
const SLL2 = { type: 0, bytes: 20 } as const

const isIp = (etherType: number): boolean => etherType === ETHERTYPE.ipv4 || etherType === ETHERTYPE.ipv6

const afterEthernet = (data: Uint8Array): number => {
  let at: number = ETHERNET.type
  while (VLAN_TAGS.has(u16be(data, at))) at += ETHERNET.tagBytes
  return isIp(u16be(data, at)) ? at + ETHERNET.typeBytes : NOT_IP
}

/** Where the IP header begins, or NOT_IP. */
const networkOffset = (linkType: number, data: Uint8Array): number => {
  switch (linkType) {
    case LINK_TYPE.raw:
    case LINK_TYPE.rawBsd:
    case LINK_TYPE.rawOpenBsd:
    case LINK_TYPE.ipv4:
    case LINK_TYPE.ipv6:
      return 0
    case LINK_TYPE.ethernet:
      return afterEthernet(data)
    // The address family in front has another number on each system; the IP version tells as well.
    case LINK_TYPE.null:
    case LINK_TYPE.loop:
      return NULL_BYTES
    case LINK_TYPE.linuxSll:
      return isIp(u16be(data, SLL.type)) ? SLL.bytes : NOT_IP
    case LINK_TYPE.linuxSll2:
      return isIp(u16be(data, SLL2.type)) ? SLL2.bytes : NOT_IP
    default:
      return NOT_IP
  }
}

const PROTOCOL_TCP = 6
const IPV4 = { length: 2, fragment: 6, protocol: 9, source: 12, destination: 16, minBytes: 20 } as const
/** More fragments, or an offset: everything but the "don't fragment" bit. */
const FRAGMENT_MASK = 0x3fff

/** Where TCP begins and the packet ends by IP's own account; `tcpAt` is NOT_IP for anything else. */
interface Network {
  tcpAt: number
  end: number
}

const readIpv4 = (data: Uint8Array, at: number, wireEnd: number, into: Segment, network: Network): void => {
  const headerBytes = ((data[at] ?? 0) & 0x0f) * 4
  const total = u16be(data, at + IPV4.length)
  const fragment = u16be(data, at + IPV4.fragment) & FRAGMENT_MASK
  network.tcpAt = NOT_IP
  if (headerBytes < IPV4.minBytes || fragment !== 0 || data[at + IPV4.protocol] !== PROTOCOL_TCP) return
  // 0: segmentation is left to the network card, which sees packets too long for this field.
  network.end = total === 0 ? wireEnd : at + total
  network.tcpAt = at + headerBytes
  into.version = 4
  into.sourceAt = at + IPV4.source
  into.destinationAt = at + IPV4.destination
}

const IPV6 = { length: 4, next: 6, source: 8, destination: 24, bytes: 40 } as const
const EXTENSION = { hopByHop: 0, routing: 43, fragment: 44, destination: 60 } as const
const FRAGMENT_BYTES = 8
/** Offset and "more fragments"; an atomic fragment (RFC 6946) has neither. */
const IPV6_FRAGMENT_MASK = 0xfff9

const tcpAfterExtensions = (data: Uint8Array, start: number, first: number): number => {
  let at = start
  let next = first
  while (next !== PROTOCOL_TCP) {
    if (at + FRAGMENT_BYTES > data.length) return NOT_IP
    switch (next) {
      case EXTENSION.hopByHop:
      case EXTENSION.routing:
      case EXTENSION.destination:
        next = data[at] ?? 0
        at += ((data[at + 1] ?? 0) + 1) * 8
        break
      case EXTENSION.fragment:
        if ((u16be(data, at + 2) & IPV6_FRAGMENT_MASK) !== 0) return NOT_IP
        next = data[at] ?? 0
        at += FRAGMENT_BYTES
        break
      default:
        return NOT_IP
    }
  }
  return at
}

const readIpv6 = (data: Uint8Array, at: number, wireEnd: number, into: Segment, network: Network): void => {
  const length = u16be(data, at + IPV6.length)
  network.tcpAt = tcpAfterExtensions(data, at + IPV6.bytes, data[at + IPV6.next] ?? NOT_IP)
  // 0: a jumbogram (RFC 2675), or segmentation left to the network card.
  network.end = length === 0 ? wireEnd : at + IPV6.bytes + length
  into.version = 6
  into.sourceAt = at + IPV6.source
  into.destinationAt = at + IPV6.destination
}

const ADDRESS_BYTES = { 4: 4, 6: 16 } as const

/** Negative, 0 or positive as the sender sorts before, with or after the receiver. */
const compareEnds = (data: Uint8Array, segment: Segment): number => {
  for (let index = 0; index < ADDRESS_BYTES[segment.version]; index += 4) {
    const difference = u32be(data, segment.sourceAt + index) - u32be(data, segment.destinationAt + index)
    if (difference !== 0) return difference
  }
  return segment.sourcePort - segment.destinationPort
}

const setKey = (data: Uint8Array, segment: Segment): void => {
  const sourceIsFirst = compareEnds(data, segment) <= 0
  const { sourceAt, destinationAt, sourcePort, destinationPort } = segment
  const a = sourceIsFirst ? sourceAt : destinationAt
  const b = sourceIsFirst ? destinationAt : sourceAt
  const portA = sourceIsFirst ? sourcePort : destinationPort
  const portB = sourceIsFirst ? destinationPort : sourcePort
  segment.sourceIsFirst = sourceIsFirst
  segment.key =
    segment.version === 4
      ? String.fromCharCode(
          u16be(data, a),
          u16be(data, a + 2),
          u16be(data, b),
          u16be(data, b + 2),
          portA,
          portB,
        )
      : String.fromCharCode(...wordsAt(data, a), ...wordsAt(data, b), portA, portB)
}

const wordsAt = (data: Uint8Array, at: number): number[] =>
  [0, 2, 4, 6, 8, 10, 12, 14].map((index) => u16be(data, at + index))

const TCP = {
  source: 0,
  destination: 2,
  sequence: 4,
  acknowledgment: 8,
  offset: 12,
  flags: 13,
  minBytes: 20,
} as const

const network: Network = { tcpAt: NOT_IP, end: 0 }

/** Fills `into`; false for a packet that is not TCP, is a fragment, or lacks part of its headers. */
export const readSegment = (
  linkType: number,
  data: Uint8Array,
  originalLength: number,
  into: Segment,
): boolean => {
  const ipAt = networkOffset(linkType, data)
  if (ipAt === NOT_IP || ipAt >= data.length) return false
  const version = (data[ipAt] ?? 0) >> 4
  if (version === 4 && linkType !== LINK_TYPE.ipv6) readIpv4(data, ipAt, originalLength, into, network)
  else if (version === 6 && linkType !== LINK_TYPE.ipv4) readIpv6(data, ipAt, originalLength, into, network)
  else return false
  const { tcpAt, end } = network
  if (tcpAt === NOT_IP || tcpAt + TCP.minBytes > data.length) return false
  const headerBytes = ((data[tcpAt + TCP.offset] ?? 0) >> 4) * 4
  const payloadAt = tcpAt + headerBytes
  if (headerBytes < TCP.minBytes || payloadAt > end) return false
  into.sourcePort = u16be(data, tcpAt + TCP.source)
  into.destinationPort = u16be(data, tcpAt + TCP.destination)
  into.sequence = u32be(data, tcpAt + TCP.sequence)
  into.acknowledgment = u32be(data, tcpAt + TCP.acknowledgment)
  into.flags = data[tcpAt + TCP.flags] ?? 0
  into.payloadAt = payloadAt
  into.payloadLength = end - payloadAt
  into.captured = Math.max(0, Math.min(end, data.length) - payloadAt)
  setKey(data, into)
  return true
}
