/** The binary header of version 2. */

import type { Address } from '../../address.js'
import { u16be } from '../../bytes.js'
import { ipv4Text, ipv6Text } from '../../ip-text.js'
import { crc32c } from './crc32c.js'
import {
  INET_BYTES,
  INET_STREAM,
  INET6_BYTES,
  INET6_STREAM,
  LOCAL,
  MAX_PROXY_HEADER_BYTES,
  PROXY,
  type ProxyParse,
  type ProxyTlv,
  TLV_CRC32C,
  TLV_HEADER_BYTES,
  UNIX_BYTES,
  UNIX_PATH_BYTES,
  UNIX_STREAM,
  UNSPEC,
  V2_FIXED_BYTES,
  V2_SIGNATURE,
} from './header.js'
import { unmapped } from './text.js'

const COMMAND_AT = V2_SIGNATURE.length
const FAMILY_AT = COMMAND_AT + 1
const LENGTH_AT = FAMILY_AT + 1

const NEED_MORE: ProxyParse = { kind: 'need_more' }

/** Why a header is none; it never leaves this file. */
class Invalid extends Error {}

interface Family {
  readonly name: string
  /** Of both ends. */
  readonly bytes: number
  ends(block: Uint8Array): readonly [source: Address, destination: Address]
}

const inetEnd = (block: Uint8Array, at: number, portAt: number): Address => ({
  kind: 'tcp',
  host: ipv4Text(block, at),
  port: u16be(block, portAt),
})

/** An IPv4 address wherever it is one, as the engines tell their clients' addresses. */
const inet6End = (block: Uint8Array, at: number, portAt: number): Address => {
  const ipv4 = unmapped(Array.from(block.subarray(at, at + 16)))
  const host = ipv4 === null ? ipv6Text(block, at) : ipv4Text(Uint8Array.from(ipv4), 0)
  return { kind: 'tcp', host, port: u16be(block, portAt) }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A path goes into logs and tables, so it has to be text. Abstract names begin with a zero: their end is nameless. */
const unixEnd = (block: Uint8Array, at: number): Address => {
  const field = block.subarray(at, at + UNIX_PATH_BYTES)
  const end = field.indexOf(0)
  try {
    const path = utf8.decode(end === -1 ? field : field.subarray(0, end))
    if (!/\p{Cc}/u.test(path)) return { kind: 'unix', path }
  } catch {
    // Said below.
  }
  throw new Invalid('it has a path that is not printable UTF-8')
}

const FAMILIES: ReadonlyMap<number | undefined, Family> = new Map([
  [
    INET_STREAM,
    { name: 'IPv4', bytes: INET_BYTES, ends: (block) => [inetEnd(block, 0, 8), inetEnd(block, 4, 10)] },
  ],
  [
    INET6_STREAM,
    { name: 'IPv6', bytes: INET6_BYTES, ends: (block) => [inet6End(block, 0, 32), inet6End(block, 16, 34)] },
  ],
  [
    UNIX_STREAM,
    {
      name: 'unix',
      bytes: UNIX_BYTES,
      ends: (block) => [unixEnd(block, 0), unixEnd(block, UNIX_PATH_BYTES)],
    },
  ],
])

/** What a socket gave may be a Buffer, whose `slice` is no copy. */
const copyOf = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes)

const checkSum = (header: Uint8Array, at: number, value: Uint8Array): void => {
  if (value.length !== 4) throw new Invalid('its checksum has not 4 bytes')
  const zeroed = copyOf(header)
  zeroed.fill(0, at, at + 4)
  if (crc32c(zeroed) !== new DataView(value.buffer).getUint32(0)) throw new Invalid('its checksum is wrong')
}

/** `at`: where the addresses end. The rest of the header has to be TLVs, whole ones. */
const tlvsOf = (header: Uint8Array, start: number): readonly ProxyTlv[] => {
  const tlvs: ProxyTlv[] = []
  for (let at = start; at < header.length; ) {
    const valueAt = at + TLV_HEADER_BYTES
    const end = valueAt <= header.length ? valueAt + u16be(header, at + 1) : Number.POSITIVE_INFINITY
    if (end > header.length) throw new Invalid('its last TLV is longer than the header')
    const type = header[at] ?? 0
    const value = copyOf(header.subarray(valueAt, end))
    if (type === TLV_CRC32C) checkSum(header, valueAt, value)
    tlvs.push({ type, value })
    at = end
  }
  return tlvs
}

/** The family is one that is known; `header` is whole. */
const parseEnds = (header: Uint8Array, family: Family): ProxyParse => {
  const [source, destination] = family.ends(header.subarray(V2_FIXED_BYTES))
  const tlvs = tlvsOf(header, V2_FIXED_BYTES + family.bytes)
  return { kind: 'match', version: 'v2', source, destination, tlvs, length: header.length }
}

/** Whether it brings no addresses. `LOCAL` makes the family meaningless, so that is not even looked at. */
const isOwn = (command: number | undefined, family: number | undefined): boolean =>
  command === LOCAL || family === UNSPEC

const parse = (bytes: Uint8Array): ProxyParse => {
  const command = bytes[COMMAND_AT]
  if (command === undefined) return NEED_MORE
  if (command >> 4 !== 2) throw new Invalid('its version is not 2')
  if (command !== LOCAL && command !== PROXY) throw new Invalid('its command is neither LOCAL nor PROXY')
  const familyByte = bytes[FAMILY_AT]
  if (familyByte === undefined) return NEED_MORE
  const family = isOwn(command, familyByte) ? null : FAMILIES.get(familyByte)
  if (family === undefined)
    throw new Invalid('its family is none of IPv4, IPv6 and unix with transport STREAM')
  if (bytes.length < V2_FIXED_BYTES) return NEED_MORE
  const length = V2_FIXED_BYTES + u16be(bytes, LENGTH_AT)
  if (length > MAX_PROXY_HEADER_BYTES)
    throw new Invalid(`it has ${length} bytes, and more than ${MAX_PROXY_HEADER_BYTES} are not read`)
  if (family !== null && length < V2_FIXED_BYTES + family.bytes)
    throw new Invalid(`it is shorter than two ${family.name} addresses`)
  if (bytes.length < length) return NEED_MORE
  if (family !== null) return parseEnds(bytes.subarray(0, length), family)
  return { kind: 'match', version: 'v2', source: null, destination: null, tlvs: [], length }
}

/** `bytes` begin with {@link V2_SIGNATURE}. */
export const parseV2 = (bytes: Uint8Array): ProxyParse => {
  try {
    return parse(bytes)
  } catch (thrown) {
    if (thrown instanceof Invalid) return { kind: 'invalid', why: thrown.message }
    throw thrown
  }
}
