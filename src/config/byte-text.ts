/**
 * How bytes are written.
 *
 *     bytes     = "hex:" *( hex-pair / space ) / text           ; text: its UTF-8; YAML's double quotes know \r\n
 *     template  = bytes with any number of "{nonce}" in it      ; a gap each, in both forms
 *
 * Text that itself begins with `hex:` has to be written in hex.
 */

import type { ByteTemplate } from '../core/byte-template.js'
import { lengthOf } from '../core/byte-template.js'
import { TidegateError } from '../errors.js'
import { MAX_EXCHANGE_BYTES } from './defaults.js'

const HEX = 'hex:'
const GAP = '{nonce}'

export const BYTES_EXAMPLES = 'text, or bytes as hex:0d0a'

const invalid = (text: string, why: string): TidegateError =>
  new TidegateError('value_invalid', `${why}; expected ${BYTES_EXAMPLES}`, { fault: 'usage', where: text })

const parseHex = (digits: string, text: string): Uint8Array => {
  const bare = digits.replace(/\s/g, '')
  const wrong = /[^\da-f]/i.exec(bare)
  if (wrong) throw invalid(text, `'${wrong[0]}' is not a hexadecimal digit`)
  if (bare.length % 2 !== 0) throw invalid(text, `${bare.length} hexadecimal digits, where a byte has two`)
  return Uint8Array.from({ length: bare.length / 2 }, (_, index) =>
    Number.parseInt(bare.slice(2 * index, 2 * index + 2), 16),
  )
}

const pieceReader = (text: string): ((piece: string) => Uint8Array) =>
  text.startsWith(HEX) ? (piece) => parseHex(piece, text) : (piece) => new TextEncoder().encode(piece)

const bodyOf = (text: string): string => (text.startsWith(HEX) ? text.slice(HEX.length) : text)

const checkLength = (length: number, text: string): void => {
  if (length === 0) throw invalid(text, 'no bytes at all')
  if (length > MAX_EXCHANGE_BYTES)
    throw invalid(text, `${length} bytes, more than the ${MAX_EXCHANGE_BYTES} that are sent or read at once`)
}

/** @throws TidegateError `value_invalid`: no bytes, too many, or wrong hex. */
export const parseBytes = (text: string): Uint8Array => {
  const bytes = pieceReader(text)(bodyOf(text))
  checkLength(bytes.length, text)
  return bytes
}

/** As {@link parseBytes}, with a gap for each `{nonce}`. */
export const parseTemplate = (text: string): ByteTemplate => {
  const [first = '', ...rest] = bodyOf(text).split(GAP)
  const read = pieceReader(text)
  const template: ByteTemplate = [read(first), ...rest.map(read)]
  checkLength(lengthOf(template), text)
  return template
}

const toHex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')

const asText = (bytes: Uint8Array): string | null => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}

/** The text that {@link parseTemplate} reads back to the same; as UTF-8 where the bytes are that, else as hex. */
export const formatTemplate = (template: ByteTemplate): string => {
  const texts = template.map(asText)
  const isText = texts.every((text) => text !== null && !text.includes(GAP)) && !texts[0]?.startsWith(HEX)
  return isText ? texts.join(GAP) : `${HEX}${template.map(toHex).join(GAP)}`
}

/** The text that {@link parseBytes} reads back to the same; as UTF-8 where the bytes are that, else as hex. */
export const formatBytes = (bytes: Uint8Array): string => {
  const text = asText(bytes)
  return text === null || text.startsWith(HEX) ? `${HEX}${toHex(bytes)}` : text
}
