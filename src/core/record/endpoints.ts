/**
 * Which IP addresses and ports a recorded connection's packets carry.
 *
 * The real ones, wherever both ends have one of the same family. Otherwise:
 * - an IPv4 end facing an IPv6 end is written as `::ffff:a.b.c.d`; an IPv4-mapped end facing IPv4 as IPv4
 * - a zone (`fe80::1%eth0`) is dropped: packets have no room for it
 * - an end without an IP address (a unix socket, a name) gets a documentation address (RFC 5737, RFC 3849):
 *   the client 192.0.2.1 or 2001:db8::1, the server 192.0.2.2 or 2001:db8::2. A unix client's port is made of the
 *   connection's number, a unix server's of its path, so that each path looks like one server.
 *
 * What is real is always in the `open` annotation.
 */

import ipaddr from 'ipaddr.js'
import type { Address } from '../address.js'

/** One end as packets have it: the address in network byte order as 1 or 4 words, and the port. */
export interface PacketEnd {
  readonly words: readonly number[]
  readonly port: number
}

export interface PacketEnds {
  readonly version: 4 | 6
  readonly client: PacketEnd
  readonly server: PacketEnd
}

/** Of ipaddr.js, which no declaration of the package may name: those who use it do not have that. */
interface Ip {
  kind(): 'ipv4' | 'ipv6'
  /** 4 or 16. */
  toByteArray(): readonly number[]
}

type Side = 'client' | 'server'

const SYNTHETIC = {
  client: { 4: '192.0.2.1', 6: '2001:db8::1' },
  server: { 4: '192.0.2.2', 6: '2001:db8::2' },
} as const

/** Above the ports that only root may have, and that Wireshark knows services by. */
const FIRST_CLIENT_PORT = 1024
/** The dynamic range (RFC 6335): no service is known by these, so Wireshark guesses none. */
const FIRST_SERVER_PORT = 49152

/** FNV-1a: spreads short texts well in a few lines. */
const hash = (text: string): number => {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193) >>> 0
  return value
}

/** An end's IP address, an IPv4-mapped one as IPv4; null for an end without, e.g. a name. */
export const ipOf = (address: Address): Ip | null => {
  if (address.kind === 'unix') return null
  const host = address.host.replace(/%.*$/, '')
  if (ipaddr.IPv4.isValidFourPartDecimal(host)) return ipaddr.IPv4.parse(host)
  if (!host.includes(':') || !ipaddr.IPv6.isValid(host)) return null
  const ip = ipaddr.IPv6.parse(host)
  return ip.isIPv4MappedAddress() ? ip.toIPv4Address() : ip
}

const syntheticPort = (address: Address, side: Side, id: number): number => {
  if (address.kind === 'tcp') return address.port
  return side === 'client'
    ? FIRST_CLIENT_PORT + (id % (65536 - FIRST_CLIENT_PORT))
    : FIRST_SERVER_PORT + (hash(address.path) % (65536 - FIRST_SERVER_PORT))
}

const wordsOf = (ip: Ip, version: 4 | 6): readonly number[] => {
  const bytes = version === 6 && ip.kind() === 'ipv4' ? mapped(ip) : ip.toByteArray()
  const view = new DataView(Uint8Array.from(bytes).buffer)
  return Array.from({ length: bytes.length / 4 }, (_, index) => view.getUint32(index * 4))
}

const mapped = (ip: Ip): readonly number[] => [
  ...new Array<number>(10).fill(0),
  0xff,
  0xff,
  ...ip.toByteArray(),
]

/** `id` is the connection's number. */
export const packetEnds = (client: Address, server: Address, id: number): PacketEnds => {
  const clientIp = ipOf(client)
  const serverIp = ipOf(server)
  const version = clientIp?.kind() === 'ipv6' || serverIp?.kind() === 'ipv6' ? 6 : 4
  const end = (address: Address, ip: Ip | null, side: Side): PacketEnd => ({
    words: wordsOf(ip ?? ipaddr.parse(SYNTHETIC[side][version]), version),
    port: syntheticPort(address, side, id),
  })
  return { version, client: end(client, clientIp, 'client'), server: end(server, serverIp, 'server') }
}
