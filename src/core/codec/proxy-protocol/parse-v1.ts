/** The line of version 1. */

import type { TcpAddress } from '../../address.js'
import { ipv4Text, ipv6Text } from '../../ip-text.js'
import { MAX_V1_BYTES, type ProxyParse, V1_PREFIX } from './header.js'
import { ipv4Octets, ipv6Octets, latin1Text, unmapped } from './text.js'

const CR = 0x0d
const LF = 0x0a

const invalid = (why: string): ProxyParse => ({ kind: 'invalid', why })

const UNKNOWN_SHAPE = /^UNKNOWN(?: .*)?$/s
const PORT_SHAPE = /^(?:0|[1-9]\d{0,4})$/

const hostOf = (family: 'TCP4' | 'TCP6', text: string): string | null => {
  if (family === 'TCP4') return ipv4Octets(text) === null ? null : text
  const octets = ipv6Octets(text)
  if (octets === null) return null
  const ipv4 = unmapped(octets)
  return ipv4 === null ? ipv6Text(Uint8Array.from(octets), 0) : ipv4Text(Uint8Array.from(ipv4), 0)
}

const portOf = (text: string): number | null =>
  PORT_SHAPE.test(text) && Number(text) <= 0xffff ? Number(text) : null

const parseLine = (line: string, length: number): ProxyParse => {
  const header = { kind: 'match', version: 'v1', tlvs: [], length } as const
  if (UNKNOWN_SHAPE.test(line)) return { ...header, source: null, destination: null }
  const [family, ...fields] = line.split(' ')
  if (family !== 'TCP4' && family !== 'TCP6') return invalid('its protocol is none of TCP4, TCP6, UNKNOWN')
  const [from = '', to = '', fromPort = '', toPort = ''] = fields
  if (fields.length !== 4) return invalid('it has not two addresses and two ports, with one space between')
  const end = (host: string | null, port: number | null): TcpAddress | null =>
    host === null || port === null ? null : { kind: 'tcp', host, port }
  const hosts = [hostOf(family, from), hostOf(family, to)] as const
  if (hosts.includes(null))
    return invalid(`it has an address that is not ${family === 'TCP4' ? 'IPv4' : 'IPv6'}`)
  const source = end(hosts[0], portOf(fromPort))
  const destination = end(hosts[1], portOf(toPort))
  if (source === null || destination === null) return invalid('it has a port that is not 0-65535')
  return { ...header, source, destination }
}

/** `bytes` begin with {@link V1_PREFIX}. */
export const parseV1 = (bytes: Uint8Array): ProxyParse => {
  const limit = Math.min(bytes.length, MAX_V1_BYTES)
  for (let at = V1_PREFIX.length; at < limit; at++) {
    if (bytes[at] === LF) return invalid('its line ends without CR')
    if (bytes[at] !== CR || at + 1 === limit) continue
    if (bytes[at + 1] !== LF) return invalid('it has a CR that is not the end of its line')
    return parseLine(latin1Text(bytes.subarray(V1_PREFIX.length, at)), at + 2)
  }
  return bytes.length < MAX_V1_BYTES
    ? { kind: 'need_more' }
    : invalid(`its line is longer than ${MAX_V1_BYTES} bytes`)
}
