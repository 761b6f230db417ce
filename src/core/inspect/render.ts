/**
 * One conversation as lines for a terminal: a header for each chunk, then its bytes, indented, as text or as
 * a hex dump. What is printed of the recorded bytes never starts in the first column, so no payload can pass for a
 * header.
 *
 *     > upstream    +0.000123456  @0  14 bytes
 *       *1\r
 *       $4\r
 *       PING\r
 *     < downstream  +0.000345678  @0  7 bytes
 *       +PONG\r
 *     = closed      +0.100000000  client_fin
 */

import type { ConversationEvent, OpenEvent } from '../conversation.js'
import type { Direction } from '../direction.js'
import { count, offsetSeconds } from './figures.js'
import { printableLine, printableText, textCut } from './printable.js'

/** Bytes turned into text at a time: keeps the strings made of a 16 MiB record small. */
const SLICE_BYTES = 64 * 1024

const INDENT = '  '
const BYTES_PER_ROW = 16

const marks = { upstream: '>', downstream: '<' } as const satisfies Record<Direction, string>

const header = (mark: string, what: string, offsetNs: bigint, rest: string): string =>
  `${mark} ${what.padEnd(10)}  ${offsetSeconds(offsetNs)}${rest === '' ? '' : `  ${rest}`}\n`

const beginning = ({ continues }: OpenEvent): string =>
  continues === undefined
    ? 'the recording begins in the middle of it'
    : `it begins in an earlier file, with ${count(continues.upstream, 'byte')} upstream and ${continues.downstream} downstream`

/** The first line of a conversation: who talked to whom, and when it began. */
export const openingLine = (open: OpenEvent, startTime: string): string => {
  const through = open.listener === undefined ? '' : `  listener ${printableLine(open.listener)}`
  const middle = open.fromStart ? '' : `  (${beginning(open)})`
  return `connection ${open.connection}: ${printableLine(open.client)} -> ${printableLine(open.server)}${through}  ${startTime}${middle}\n`
}

/** The line above a chunk, or the only line of what is not data. Null for the opening, which has its own line. */
export const headerLine = (event: ConversationEvent, startNs: bigint): string | null => {
  const offsetNs = event.timeNs - startNs
  switch (event.kind) {
    case 'open':
      return null
    case 'data':
      return header(
        marks[event.direction],
        event.direction,
        offsetNs,
        `@${event.at}  ${count(event.bytes.length, 'byte')}`,
      )
    case 'gap': {
      const why = printableLine(event.why ?? 'no reason recorded')
      return header(
        '!',
        event.direction,
        offsetNs,
        `@${event.at}  ${count(event.length, 'byte')} ${event.cut ? 'not recorded' : 'missing'}: ${why}`,
      )
    }
    case 'fin':
      return header('=', event.direction, offsetNs, 'ended')
    case 'continue':
      return header('=', 'file ends', offsetNs, 'goes on in the next')
    case 'close':
      return header('=', 'closed', offsetNs, event.annotation?.reason ?? event.how)
  }
}

/** The bytes as indented text; ends with a line feed. */
export function* textLines(bytes: Uint8Array): Generator<string> {
  let atLineStart = true
  for (let at = 0; at < bytes.length; ) {
    const rest = bytes.subarray(at)
    const cut = textCut(rest, SLICE_BYTES)
    const text = printableText(rest.subarray(0, cut))
    at += cut
    const endsLine = text.endsWith('\n')
    const body = (endsLine ? text.slice(0, -1) : text).replaceAll('\n', `\n${INDENT}`)
    yield `${atLineStart ? INDENT : ''}${body}${endsLine ? '\n' : ''}`
    atLineStart = endsLine
  }
  if (!atLineStart) yield '\n'
}

const SPACE = 0x20
const BAR = 0x7c
const DOT = 0x2e
const LF = 0x0a
const DIGITS = new TextEncoder().encode('0123456789abcdef')

/** Digits of a position: eight as everybody has them, more beyond 4 GiB. */
const positionDigits = (position: number): number => Math.max(8, position.toString(16).length)

/** Two spaces, position, two spaces, 16 bytes in two groups, the bar: what is before the characters. */
const headLength = (digits: number): number => INDENT.length + digits + 2 + BYTES_PER_ROW * 3 + 1 + 1 + 1

const writePosition = (into: Uint8Array, at: number, position: number, digits: number): void => {
  let rest = position
  for (let digit = digits - 1; digit >= 0; digit--) {
    into[at + digit] = DIGITS[rest % 16] ?? 0
    rest = Math.floor(rest / 16)
  }
}

/** One row in ASCII bytes: strings would take ten times as long. Returns where the next row goes. */
const writeRow = (
  into: Uint8Array,
  at: number,
  bytes: Uint8Array,
  from: number,
  position: number,
  digits: number,
): number => {
  const count = Math.min(BYTES_PER_ROW, bytes.length - from)
  const text = at + headLength(digits)
  into.fill(SPACE, at, text)
  writePosition(into, at + INDENT.length, position, digits)
  const hex = at + INDENT.length + digits + 2
  for (let column = 0; column < count; column++) {
    const byte = bytes[from + column] ?? 0
    const pair = hex + column * 3 + (column >= BYTES_PER_ROW / 2 ? 1 : 0)
    into[pair] = DIGITS[byte >> 4] ?? 0
    into[pair + 1] = DIGITS[byte & 15] ?? 0
    into[text + column] = byte >= SPACE && byte < 0x7f ? byte : DOT
  }
  into[text - 1] = BAR
  into[text + count] = BAR
  into[text + count + 1] = LF
  return text + count + 2
}

/** The classic dump, as `hexdump -C` prints it, in ASCII; the offsets are positions in the direction's stream. */
export function* hexLines(bytes: Uint8Array, position: number): Generator<Uint8Array> {
  const digits = positionDigits(position + bytes.length)
  const rowLength = headLength(digits) + BYTES_PER_ROW + 2
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    const end = Math.min(at + SLICE_BYTES, bytes.length)
    const rows = new Uint8Array(Math.ceil((end - at) / BYTES_PER_ROW) * rowLength)
    let used = 0
    for (let row = at; row < end; row += BYTES_PER_ROW)
      used = writeRow(rows, used, bytes, row, position + row, digits)
    yield rows.subarray(0, used)
  }
}
