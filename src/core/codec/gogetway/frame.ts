/**
 * The frame of gogetway's recordings, byte-compatible with its own writer.
 *
 *     file    = *frame
 *     frame   = magic time type length from "..." to LF body
 *     magic   = "--benbens--" LF "t"     ; 13 bytes
 *     time    = i64                      ; little-endian, nanoseconds since 1970
 *     type    = u8                       ; 1 TCP, 2 HTTP
 *     length  = i64                      ; little-endian, bytes of the escaped body
 *     from    = text                     ; without LF; the first "..." of the line ends it
 *     to      = text                     ; without LF
 *     body    = the payload with one more LF in front of each LF that a "t" follows
 *
 * A run of k >= 1 LFs before a "t" is written as k + 1, and a run of k + 1 >= 2 is read as k: a bijection, so every
 * payload comes back exactly. In a body LF "t" stands only behind another LF, so no body contains a magic. (gogetway's own reader drops
 * LFs that belong to the payload, and compares the length with the restored body.)
 */

import { TidegateError } from '../../../errors.js'

export const FRAME_TYPE = { tcp: 1, http: 2 } as const

const LF = 0x0a
const LETTER_T = 0x74

const UTF8 = new TextEncoder()

export const FRAME_MAGIC: Uint8Array = UTF8.encode('--benbens--\nt')
export const FRAME_AT = { time: 13, type: 21, length: 22, addresses: 30 } as const
export const ADDRESS_SEPARATOR = '...'

/**
 * The longest `from...to` line: a unix path has at most 107 bytes and a host name at most 253, so this leaves room for
 * whatever else somebody calls a connection's ends, and a damaged file is noticed soon.
 */
export const MAX_ADDRESSES_BYTES = 1024

export interface Frame {
  readonly timeNs: bigint
  readonly type: number
  readonly from: string
  readonly to: string
  readonly body: Uint8Array
}

/** From `from` on, the index of the next LF that a "t" follows, or -1. */
const indexOfMark = (bytes: Uint8Array, from: number): number => {
  for (let at = bytes.indexOf(LF, from); at !== -1; at = bytes.indexOf(LF, at + 1))
    if (bytes[at + 1] === LETTER_T) return at
  return -1
}

const marksIn = (bytes: Uint8Array): number => {
  let count = 0
  for (let at = indexOfMark(bytes, 0); at !== -1; at = indexOfMark(bytes, at + 1)) count += 1
  return count
}

/** Writes the escaped `payload` at `at`; there must be room for all of it. */
const writeEscaped = (payload: Uint8Array, into: Uint8Array, at: number): void => {
  let from = 0
  let to = at
  for (let mark = indexOfMark(payload, 0); mark !== -1; mark = indexOfMark(payload, mark + 1)) {
    into.set(payload.subarray(from, mark), to)
    to += mark - from
    into[to] = LF
    to += 1
    from = mark
  }
  into.set(payload.subarray(from), to)
}

export const escapeBody = (payload: Uint8Array): Uint8Array => {
  const escaped = new Uint8Array(payload.length + marksIn(payload))
  writeEscaped(payload, escaped, 0)
  return escaped
}

/** The payload, or null when a LF "t" stands unescaped. Without anything escaped it is `escaped` itself. */
export const unescapeBody = (escaped: Uint8Array): Uint8Array | null => {
  let mark = indexOfMark(escaped, 0)
  if (mark === -1) return escaped
  const payload = new Uint8Array(escaped.length - 1)
  let from = 0
  let to = 0
  for (; mark !== -1; mark = indexOfMark(escaped, mark + 1)) {
    if (mark === 0 || escaped[mark - 1] !== LF) return null
    payload.set(escaped.subarray(from, mark - 1), to)
    to += mark - 1 - from
    from = mark
  }
  payload.set(escaped.subarray(from), to)
  return payload.subarray(0, to + escaped.length - from)
}

/** The two ends of a `from...to` line, or null when there is no separator. */
export const splitAddresses = (line: string): readonly [from: string, to: string] | null => {
  const at = line.indexOf(ADDRESS_SEPARATOR)
  return at === -1 ? null : [line.slice(0, at), line.slice(at + ADDRESS_SEPARATOR.length)]
}

const encodeAddresses = (from: string, to: string): Uint8Array => {
  const line = `${from}${ADDRESS_SEPARATOR}${to}`
  const bytes = UTF8.encode(line)
  const parts = splitAddresses(line)
  if (parts?.[0] !== from || line.includes('\n') || bytes.length > MAX_ADDRESSES_BYTES)
    throw new TidegateError(
      'value_invalid',
      `'${line}' cannot be a frame's addresses: expected at most ${MAX_ADDRESSES_BYTES} bytes, no line feed, and no '...' but between the two`,
      { fault: 'usage' },
    )
  return bytes
}

const MAX_TYPE = 0xff

/**
 * One frame, ready to be appended to a file.
 * @throws TidegateError `value_invalid` when the addresses could not be read back, or type or time do not fit.
 */
export const encodeGogetwayFrame = ({ timeNs, type, from, to, body }: Frame): Uint8Array => {
  const addresses = encodeAddresses(from, to)
  if (!Number.isInteger(type) || type < 0 || type > MAX_TYPE || BigInt.asIntN(64, timeNs) !== timeNs)
    throw new TidegateError('value_invalid', `type ${type} or time ${timeNs} does not fit in a frame`, {
      fault: 'usage',
    })
  const bodyLength = body.length + marksIn(body)
  const bodyAt = FRAME_AT.addresses + addresses.length + 1
  const frame = new Uint8Array(bodyAt + bodyLength)
  const view = new DataView(frame.buffer)
  frame.set(FRAME_MAGIC)
  view.setBigInt64(FRAME_AT.time, timeNs, true)
  view.setUint8(FRAME_AT.type, type)
  view.setBigInt64(FRAME_AT.length, BigInt(bodyLength), true)
  frame.set(addresses, FRAME_AT.addresses)
  frame[bodyAt - 1] = LF
  writeEscaped(body, frame, bodyAt)
  return frame
}
