/** Between Tidegate's addresses and the kernel's. */

import { lookup } from 'node:dns/promises'
import { isIP, isIPv4 } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Address } from '../../core/address.js'
import { AF_INET, AF_INET6 } from './ffi/abi.js'
import {
  familyOf,
  inet6Address,
  inet6OctetsAt,
  inet6ScopeOf,
  inetAddress,
  inetOctetsAt,
  portOf,
  type SocketAddress,
  unixAddress,
} from './ffi/layout.js'
import { errorNamed } from './system-error.js'

const MAX_PORT = 65_535
/** sun_path has 108 bytes, one of them for the final NUL (unix(7)). */
const MAX_UNIX_PATH_BYTES = 107

const NAMELESS: Address = { kind: 'unix', path: '' }

/** The first six groups of an IPv4-mapped address (RFC 4291 §2.5.5.2). */
const IPV4_MAPPED_PREFIX = [0, 0, 0, 0, 0, 0xffff]

const inetText = (bytes: Uint8Array, at: number): string =>
  `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`

const groupsOf = (bytes: Uint8Array): number[] =>
  Array.from(
    { length: 8 },
    (_, i) => ((bytes[inet6OctetsAt + 2 * i] ?? 0) << 8) | (bytes[inet6OctetsAt + 2 * i + 1] ?? 0),
  )

/** The longest run of two or more zero groups becomes `::`, the first of equals (RFC 5952 §4.2). */
const inet6Text = (groups: readonly number[]): string => {
  let best = { at: -1, length: 1 }
  for (let at = 0; at < groups.length; at++) {
    let length = 0
    while (groups[at + length] === 0) length++
    if (length > best.length) best = { at, length }
  }
  const hex = groups.map((group) => group.toString(16))
  if (best.at === -1) return hex.join(':')
  return `${hex.slice(0, best.at).join(':')}::${hex.slice(best.at + best.length).join(':')}`
}

const interfaceNamed = (scope: number): string => {
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    if (addresses?.some((one) => one.family === 'IPv6' && one.scopeid === scope)) return name
  }
  return String(scope)
}

const hostOf6 = (sockaddr: Uint8Array): string => {
  const groups = groupsOf(sockaddr)
  if (IPV4_MAPPED_PREFIX.every((group, i) => groups[i] === group))
    return inetText(sockaddr, inet6OctetsAt + 12)
  const scope = inet6ScopeOf(sockaddr)
  return scope === 0 ? inet6Text(groups) : `${inet6Text(groups)}%${interfaceNamed(scope)}`
}

/** A TCP address in Tidegate's notation; IPv4 clients of a dual-stack socket keep their IPv4 address. */
export const tcpAddressOf = (sockaddr: Uint8Array): Address => {
  if (familyOf(sockaddr) === AF_INET)
    return { kind: 'tcp', host: inetText(sockaddr, inetOctetsAt), port: portOf(sockaddr) }
  if (familyOf(sockaddr) === AF_INET6) return { kind: 'tcp', host: hostOf6(sockaddr), port: portOf(sockaddr) }
  return NAMELESS
}

const scopeNumber = (scope: string): number => {
  if (/^\d+$/.test(scope)) return Number(scope)
  for (const one of networkInterfaces()[scope] ?? []) if (one.family === 'IPv6') return one.scopeid
  throw errorNamed('EINVAL', `there is no interface ${scope}`)
}

/** `1::2`, `::ffff:1.2.3.4`: eight groups. `host` is known to be an IPv6 address. */
const parseGroups = (host: string): number[] => {
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(host)
  const hex =
    dotted === null
      ? host
      : host.slice(0, dotted.index) +
        [(Number(dotted[1]) << 8) | Number(dotted[2]), (Number(dotted[3]) << 8) | Number(dotted[4])]
          .map((group) => group.toString(16))
          .join(':')
  const [head = '', tail] = hex.split('::')
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
  if (tail === undefined) return groups(head)
  const [before, after] = [groups(head), groups(tail)]
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after]
}

const ofIp = (ip: string, port: number): SocketAddress => {
  if (isIPv4(ip)) return inetAddress(ip.split('.').map(Number), port)
  const [host = '', scope = ''] = ip.split('%')
  return inet6Address(parseGroups(host), port, scope === '' ? 0 : scopeNumber(scope))
}

/** An upstream is one object that is dialled many times. */
const known = new WeakMap<Address, SocketAddress | null>()

/** What can be known without asking a name server; null when one has to be asked. @throws Error with a system code. */
export const literalAddress = (address: Address): SocketAddress | null => {
  let literal = known.get(address)
  if (literal === undefined) {
    literal = makeLiteral(address)
    known.set(address, literal)
  }
  return literal
}

const makeLiteral = (address: Address): SocketAddress | null => {
  if (address.kind === 'unix') {
    const path = new TextEncoder().encode(address.path)
    if (path.length > MAX_UNIX_PATH_BYTES) throw errorNamed('ENAMETOOLONG', 'the path is too long')
    if (path.length === 0 || path.includes(0))
      throw errorNamed('EINVAL', 'the path is empty or contains a NUL')
    return unixAddress(path)
  }
  if (!Number.isInteger(address.port) || address.port < 0 || address.port > MAX_PORT)
    throw errorNamed('ERR_SOCKET_BAD_PORT', `${address.port} is not a port`)
  return isIP(address.host) === 0 ? null : ofIp(address.host, address.port)
}

/** Every address of a name, in the system's order. Rejects with the resolver's error. */
export const resolveName = async (host: string, port: number): Promise<readonly SocketAddress[]> => {
  const found = await lookup(host, { all: true, order: 'verbatim' })
  return found.map(({ address }) => ofIp(address, port))
}
