/** IP addresses as text: dotted quads, and IPv6 as RFC 5952 writes it. */

import { formatAddress } from './address.js'
import { u16be } from './bytes.js'

export const ipv4Text = (bytes: Uint8Array, at: number): string =>
  `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`

/** `::ffff:a.b.c.d` (RFC 4291, 2.5.5.2). */
const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0xffff]

/** The longest run of two zero words or more, the first of equals; empty if there is none. */
const longestZeroRun = (words: readonly number[]): { readonly start: number; readonly length: number } => {
  let best = { start: 0, length: 0 }
  let start = 0
  for (let index = 0; index <= words.length; index += 1) {
    if (words[index] === 0) continue
    if (index - start > Math.max(best.length, 1)) best = { start, length: index - start }
    start = index + 1
  }
  return best
}

export const ipv6Text = (bytes: Uint8Array, at: number): string => {
  const words = Array.from({ length: 8 }, (_, index) => u16be(bytes, at + index * 2))
  if (MAPPED_PREFIX.every((word, index) => words[index] === word)) return `::ffff:${ipv4Text(bytes, at + 12)}`
  const { start, length } = longestZeroRun(words)
  const hex = (part: readonly number[]): string => part.map((word) => word.toString(16)).join(':')
  return length === 0 ? hex(words) : `${hex(words.slice(0, start))}::${hex(words.slice(start + length))}`
}

/** One end of a connection in address notation, from the bytes of its packet. */
export const endText = (packet: Uint8Array, version: 4 | 6, at: number, port: number): string =>
  formatAddress({ kind: 'tcp', host: version === 4 ? ipv4Text(packet, at) : ipv6Text(packet, at), port })
