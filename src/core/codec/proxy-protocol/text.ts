/** ASCII as a PROXY header has it, and nothing more lenient. */

import ipaddr from 'ipaddr.js'

/** `text` is ASCII. */
export const asciiBytes = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0))

/** Byte for byte: what is not ASCII becomes some other character, never fewer. */
export const latin1Text = (bytes: Uint8Array): string => String.fromCharCode(...bytes)

const IPV4_SHAPE = /^(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})$/
const GROUP_SHAPE = /^[0-9a-f]{1,4}$/i

/** Dotted decimal without leading zeros, which some read as octal. Null: it is none. */
export const ipv4Octets = (text: string): readonly number[] | null => {
  if (!IPV4_SHAPE.test(text)) return null
  const octets = text.split('.').map(Number)
  return octets.every((octet) => octet <= 255) ? octets : null
}

/** Groups of 1 to 4 digits, without a zone; the last 32 bits may be dotted (RFC 4291, 2.2). Null: it is none. */
export const ipv6Octets = (text: string): readonly number[] | null => {
  const groups = text.split(':')
  const last = groups.pop() ?? ''
  const isStrict =
    groups.every((group) => group === '' || GROUP_SHAPE.test(group)) &&
    (last === '' || GROUP_SHAPE.test(last) || ipv4Octets(last) !== null)
  return isStrict && ipaddr.IPv6.isValid(text) ? ipaddr.IPv6.parse(text).toByteArray() : null
}

/** The first 96 bits of an IPv4-mapped address (RFC 4291, 2.5.5.2). */
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]

export const mapped = (ipv4: readonly number[]): readonly number[] => [...MAPPED, ...ipv4]

/** The IPv4 address that an IPv6 one stands for; null for any other. */
export const unmapped = (ipv6: readonly number[]): readonly number[] | null =>
  MAPPED.every((octet, at) => ipv6[at] === octet) ? ipv6.slice(MAPPED.length) : null
