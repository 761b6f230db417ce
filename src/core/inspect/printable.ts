/**
 * Recorded bytes as text that is safe to print: nothing a peer sent can move the cursor, change a colour, reorder
 * the line or pass for a line of ours.
 *
 * - printable: well-formed UTF-8 that only draws glyphs; kept
 * - escaped: `\r`, `\t`, `\0`, other controls and malformed bytes as `\xHH`, invisible characters that change their
 *   neighbours (bidirectional overrides, zero width) as `\u{HHHH}`
 *
 * A line feed is kept as one, since that is what makes text readable. Exact bytes are what hex, raw and JSON are for.
 */

const NAMED: Readonly<Record<string, string>> = { '\0': '\\0', '\t': '\\t', '\r': '\\r', '\n': '\\n' }

/**
 * Everything that is not drawn as itself: Cc (controls, C1 included), Cf (format), the line and paragraph
 * separators, private use, unassigned and lone surrogates.
 */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/gu

const escapeCharacter = (character: string): string => {
  const point = character.codePointAt(0) ?? 0
  return NAMED[character] ?? (point < 0x80 ? hexByte(point) : `\\u{${point.toString(16)}}`)
}

const hexByte = (byte: number): string => `\\x${byte.toString(16).padStart(2, '0')}`

/** Anything from a file that goes into a line of ours (an address, a name): no control characters, no line breaks. */
export const printableLine = (text: string): string => text.replace(UNSAFE, escapeCharacter)

/** Length of the well-formed UTF-8 sequence at `at` (Unicode 16, table 3-7), or 0. */
const sequenceLength = (bytes: Uint8Array, at: number): number => {
  const first = bytes[at] ?? 0
  if (first < 0x80) return 1
  const length =
    first >= 0xc2 && first <= 0xdf ? 2 : first >> 4 === 0xe ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0
  if (length === 0 || at + length > bytes.length) return 0
  const second = bytes[at + 1] ?? 0
  const lowest = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80
  const highest = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf
  if (second < lowest || second > highest) return 0
  for (let next = at + 2; next < at + length; next++) if ((bytes[next] ?? 0) >> 6 !== 2) return 0
  return length
}

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })

const printableRun = (bytes: Uint8Array): string =>
  UTF8.decode(bytes).replace(UNSAFE, (character) => (character === '\n' ? '\n' : escapeCharacter(character)))

/** The bytes as printable text; line feeds stay line feeds. */
export const printableText = (bytes: Uint8Array): string => {
  let text = ''
  let start = 0
  let at = 0
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at)
    if (length > 0) {
      at += length
      continue
    }
    if (at > start) text += printableRun(bytes.subarray(start, at))
    text += hexByte(bytes[at] ?? 0)
    at++
    start = at
  }
  return at > start ? text + printableRun(bytes.subarray(start, at)) : text
}

/** Where to cut `bytes` at or shortly before `limit` so that no UTF-8 sequence is split. */
export const textCut = (bytes: Uint8Array, limit: number): number => {
  if (limit >= bytes.length) return bytes.length
  for (let back = 0; back < 4 && limit - back > 0; back++)
    if ((bytes[limit - back] ?? 0) >> 6 !== 2) return limit - back
  return limit
}
