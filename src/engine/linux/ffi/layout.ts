/**
 * Where the fields of the kernel's structures are. The one place that knows.
 *
 *     struct epoll_event   u32 events, u64 data; packed on x86-64 only, else data is aligned to 8 (eventpoll.h)
 *     struct sockaddr_in   u16 family, u16 port (network order), u8 address[4], padding to 16
 *     struct sockaddr_in6  u16 family, u16 port (network order), u32 flow, u8 address[16], u32 scope
 *     struct sockaddr_un   u16 family, char path[108]
 *     struct linger        i32 on, i32 seconds
 */

import { AF_INET, AF_INET6, AF_UNIX, type Family } from './abi.js'
import type { Architecture } from './koffi.js'

/** epoll's data is ours: the descriptor, and the generation that tells its present use from an earlier one. */
export interface EventLayout {
  /** In 32-bit words, as everything here. */
  readonly stride: number
  readonly fd: number
  readonly generation: number
}

export const eventLayout = (architecture: Architecture): EventLayout =>
  architecture === 'x64' ? { stride: 3, fd: 1, generation: 2 } : { stride: 4, fd: 2, generation: 3 }

/** sizeof(struct sockaddr_un), the largest of the three, with room. */
export const SOCKADDR_BYTES = 128
const UNIX_PATH_AT = 2
const INET_BYTES = 16
const INET6_BYTES = 28
export const LINGER_BYTES = 8
/** TCP_CA_NAME_MAX: the name of a congestion control, and NULs behind it. */
export const CONGESTION_NAME_BYTES = 16

/** An address as the kernel has it, in a buffer of its own. */
export interface SocketAddress {
  readonly family: Family
  readonly bytes: Uint8Array
  readonly length: number
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const blank = (family: Family, length: number): SocketAddress => {
  const bytes = new Uint8Array(SOCKADDR_BYTES)
  viewOf(bytes).setUint16(0, family, true)
  return { family, bytes, length }
}

export const inetAddress = (address: readonly number[], port: number): SocketAddress => {
  const made = blank(AF_INET, INET_BYTES)
  viewOf(made.bytes).setUint16(2, port)
  made.bytes.set(address, 4)
  return made
}

/** `groups`: eight of 16 bits. */
export const inet6Address = (groups: readonly number[], port: number, scope: number): SocketAddress => {
  const made = blank(AF_INET6, INET6_BYTES)
  const view = viewOf(made.bytes)
  view.setUint16(2, port)
  groups.forEach((group, i) => {
    view.setUint16(8 + 2 * i, group)
  })
  view.setUint32(24, scope, true)
  return made
}

/** `path` has at most 107 bytes: the final NUL stays. */
export const unixAddress = (path: Uint8Array): SocketAddress => {
  const made = blank(AF_UNIX, UNIX_PATH_AT + path.length + 1)
  made.bytes.set(path, UNIX_PATH_AT)
  return made
}

export const familyOf = (sockaddr: Uint8Array): number => sockaddr[0] ?? 0
export const portOf = (sockaddr: Uint8Array): number => ((sockaddr[2] ?? 0) << 8) | (sockaddr[3] ?? 0)
export const inetOctetsAt = 4
export const inet6OctetsAt = 8
/** 127.0.0.0/8, ::1, and the former as an IPv4-mapped address: packets to it never leave the machine. */
export const isLoopback = ({ family, bytes }: SocketAddress): boolean => {
  if (family === AF_INET) return bytes[inetOctetsAt] === LOOPBACK_NET
  if (family !== AF_INET6) return false
  const octets = bytes.subarray(inet6OctetsAt, inet6OctetsAt + 16)
  const isIn = (prefix: readonly number[]): boolean => prefix.every((octet, i) => octets[i] === octet)
  return isIn(LOOPBACK6) || isIn(MAPPED_LOOPBACK_NET)
}

export const inet6ScopeOf = (sockaddr: Uint8Array): number => viewOf(sockaddr).getUint32(24, true)

const LOOPBACK_NET = 127
const LOOPBACK6 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
const MAPPED_LOOPBACK_NET = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, LOOPBACK_NET]

/** SO_LINGER on, 0 seconds: close sends RST (socket(7)). */
export const lingerZero = (): Uint8Array => {
  const bytes = new Uint8Array(new ArrayBuffer(LINGER_BYTES))
  viewOf(bytes).setInt32(0, 1, true)
  return bytes
}
