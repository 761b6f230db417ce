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

export type Rendering = 'text' | 'hex'

const marks = { upstream: '>', downstream: '<' } as const satisfies Record<Direction, string>

const header = (mark: string, what: string, offsetNs: bigint, rest: string): string =>
  `${mark} ${what.padEnd(10)}  ${offsetSeconds(offsetNs)}${rest === '' ? '' : `  ${rest}`}\n`

/** The first line of a conversation: who talked to whom, and when it began. */
export const openingLine = (open: OpenEvent, startTime: string): string => {
  const through = open.listener === undefined ? '' : `  listener ${printableLine(open.listener)}`
  const middle = open.fromStart ? '' : '  (the recording begins in the middle of it)'
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
        `@${event.at}  ${count(event.length, 'byte')} missing: ${why}`,
      )
    }
    case 'fin':
      return header('=', event.direction, offsetNs, 'ended')
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

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
const ASCII = Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.',
)

const hexRow = (bytes: Uint8Array, from: number, position: number): string => {
  let hex = ''
  let ascii = ''
  for (let column = 0; column < BYTES_PER_ROW; column++) {
    const byte = bytes[from + column]
    if (column === BYTES_PER_ROW / 2) hex += ' '
    hex += byte === undefined ? '   ' : `${HEX[byte]} `
    if (byte !== undefined) ascii += ASCII[byte]
  }
  return `${INDENT}${position.toString(16).padStart(8, '0')}  ${hex} |${ascii}|\n`
}

/** The classic dump, as `hexdump -C` prints it; the offsets are positions in the direction's stream. */
export function* hexLines(bytes: Uint8Array, position: number): Generator<string> {
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    const end = Math.min(at + SLICE_BYTES, bytes.length)
    let rows = ''
    for (let row = at; row < end; row += BYTES_PER_ROW) rows += hexRow(bytes, row, position + row)
    yield rows
  }
}
