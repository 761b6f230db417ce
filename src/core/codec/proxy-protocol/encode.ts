/**
 * Writes PROXY headers.
 *
 * - an IPv4 end that faces an IPv6 one is written as `::ffff:a.b.c.d`; two ends that are IPv4 in truth, as IPv4
 * - a zone (`fe80::1%eth0`) is dropped: the protocol has no room for it
 * - two unix ends are `AF_UNIX` in version 2; a path that does not fit 108 bytes makes them unknown
 * - version 1 knows no unix sockets, and no version a unix end facing an IP one, or a name: the ends are unknown then, which
 *   is `UNKNOWN` in version 1 and `LOCAL` in version 2. Whoever reads that takes the socket's own ends
 */

import type { Address, TcpAddress } from '../../address.js'
import { ipv4Text, ipv6Text } from '../../ip-text.js'
import {
  INET_BYTES,
  INET_STREAM,
  INET6_BYTES,
  INET6_STREAM,
  LOCAL,
  PROXY,
  type ProxyVersion,
  UNIX_BYTES,
  UNIX_PATH_BYTES,
  UNIX_STREAM,
  UNSPEC,
  V2_FIXED_BYTES,
  V2_SIGNATURE,
} from './header.js'
import { asciiBytes, ipv4Octets, ipv6Octets, mapped, unmapped } from './text.js'

/** Both ends of one family. */
interface IpEnds {
  readonly version: 4 | 6
  readonly source: Uint8Array
  readonly destination: Uint8Array
  readonly sourcePort: number
  readonly destinationPort: number
}

const octetsOf = ({ host }: TcpAddress): readonly number[] | null => {
  const octets = ipv4Octets(host)
  if (octets !== null) return octets
  const zone = host.indexOf('%')
  const ipv6 = ipv6Octets(zone === -1 ? host : host.slice(0, zone))
  return ipv6 === null ? null : (unmapped(ipv6) ?? ipv6)
}

const isPort = (port: number): boolean => Number.isInteger(port) && port >= 0 && port <= 0xffff

const ipEndsOf = (source: Address, destination: Address): IpEnds | null => {
  if (source.kind !== 'tcp' || destination.kind !== 'tcp') return null
  const from = octetsOf(source)
  const to = octetsOf(destination)
  if (from === null || to === null || !isPort(source.port) || !isPort(destination.port)) return null
  const version = from.length === 4 && to.length === 4 ? 4 : 6
  const widen = (octets: readonly number[]): Uint8Array =>
    Uint8Array.from(version === 6 && octets.length === 4 ? mapped(octets) : octets)
  return {
    version,
    source: widen(from),
    destination: widen(to),
    sourcePort: source.port,
    destinationPort: destination.port,
  }
}

const encodeV1 = (ends: IpEnds | null): Uint8Array => {
  if (ends === null) return asciiBytes('PROXY UNKNOWN\r\n')
  const { version, source, destination, sourcePort, destinationPort } = ends
  const text = version === 4 ? ipv4Text : ipv6Text
  return asciiBytes(
    `PROXY TCP${version} ${text(source, 0)} ${text(destination, 0)} ${sourcePort} ${destinationPort}\r\n`,
  )
}

const newV2 = (command: number, family: number, length: number) => {
  const bytes = new Uint8Array(V2_FIXED_BYTES + length)
  const view = new DataView(bytes.buffer)
  bytes.set(V2_SIGNATURE)
  bytes[12] = command
  bytes[13] = family
  view.setUint16(14, length)
  return { bytes, view }
}

const encodeV2Ip = ({ version, source, destination, sourcePort, destinationPort }: IpEnds): Uint8Array => {
  const isV4 = version === 4
  const { bytes, view } = newV2(PROXY, isV4 ? INET_STREAM : INET6_STREAM, isV4 ? INET_BYTES : INET6_BYTES)
  bytes.set(source, V2_FIXED_BYTES)
  bytes.set(destination, V2_FIXED_BYTES + source.length)
  view.setUint16(bytes.length - 4, sourcePort)
  view.setUint16(bytes.length - 2, destinationPort)
  return bytes
}

const encodeV2Unix = (source: Address, destination: Address): Uint8Array | null => {
  if (source.kind !== 'unix' || destination.kind !== 'unix') return null
  const [from, to] = [source.path, destination.path].map((path) => new TextEncoder().encode(path))
  if (from === undefined || to === undefined) return null
  if (from.length > UNIX_PATH_BYTES || to.length > UNIX_PATH_BYTES) return null
  const { bytes } = newV2(PROXY, UNIX_STREAM, UNIX_BYTES)
  bytes.set(from, V2_FIXED_BYTES)
  bytes.set(to, V2_FIXED_BYTES + UNIX_PATH_BYTES)
  return bytes
}

/**
 * The header for a connection that `source` made to `destination`: what a proxy that accepted it there sends to its upstream before
 * anything else. What cannot be said in this version becomes a header without addresses; it never throws.
 */
export const encodeProxyHeader = (
  version: ProxyVersion,
  source: Address,
  destination: Address,
): Uint8Array => {
  const ends = ipEndsOf(source, destination)
  if (version === 'v1') return encodeV1(ends)
  if (ends !== null) return encodeV2Ip(ends)
  return encodeV2Unix(source, destination) ?? newV2(LOCAL, UNSPEC, 0).bytes
}
