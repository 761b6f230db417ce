/** The parts of an address, from the network to the port: `10.0.0.7:80` → `10`, `0`, `0`, `7`, `80`. */

import { parseAddress } from '../address.js'

const IPV4 = /^\d+(\.\d+){3}$/

/** `1:2::7` → its eight groups, so that neighbours have the same parents. Text that is no IPv6 address is one part. */
const ipv6Parts = (host: string): string[] => {
  const [address = '', zone] = host.split('%', 2)
  const halves = address.split('::')
  const head = halves[0] === '' ? [] : (halves[0] ?? '').split(':')
  const tail = halves[1] === undefined || halves[1] === '' ? [] : halves[1].split(':')
  const missing = 8 - head.length - tail.length
  if (halves.length > 2 || missing < 0 || (halves.length === 1 && missing > 0)) return [host]
  const groups = [...head, ...Array.from({ length: missing }, () => '0'), ...tail]
  return zone === undefined ? groups : [...groups, `%${zone}`]
}

const hostParts = (host: string): string[] => {
  if (host.includes(':')) return ipv6Parts(host)
  // Also the beginning of an IPv4 address names a group. Names of hosts are one part.
  return IPV4.test(host) || /^[\d.]+$/.test(host) ? host.split('.') : [host]
}

const portOf = (address: string): { readonly host: string; readonly port: number } | null => {
  try {
    const parsed = parseAddress(address)
    return parsed.kind === 'tcp' ? parsed : null
  } catch {
    return null
  }
}

/** Accepts an IP address, the beginning of an IPv4 address, `host:port`, `unix:/path`, and any other text as one part. */
export const addressPath = (address: string): string[] => {
  if (address.startsWith('unix:')) return [address]
  // An IPv6 address without brackets has no port.
  if (!address.startsWith('[') && address.split(':').length > 2) return ipv6Parts(address)
  const tcp = portOf(address)
  return tcp === null ? hostParts(address) : [...hostParts(tcp.host), String(tcp.port)]
}
