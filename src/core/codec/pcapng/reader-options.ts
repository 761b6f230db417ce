/** The options at the end of a block's body; see blocks.ts for their grammar. */

import { dataViewOf, viewOf } from '../../bytes.js'
import { OPTION, padded } from './blocks.js'

const OPTION_HEAD_BYTES = 4

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })

/** Bytes that are not UTF-8 become U+FFFD. */
export const textOf = (value: Uint8Array): string => UTF8.decode(value)

export type OptionVisitor = (code: number, value: Uint8Array) => void

/** Visits the options in order. Returns what is wrong with them, or null. The end-of-options mark may be missing. */
export const readOptions = (area: Uint8Array, littleEndian: boolean, visit: OptionVisitor): string | null => {
  const view = dataViewOf(area)
  let at = 0
  while (at < area.length) {
    // The area is a multiple of 4 long, so an option's head is always whole.
    const code = view.getUint16(at, littleEndian)
    const length = view.getUint16(at + 2, littleEndian)
    if (code === OPTION.end) return null
    at += OPTION_HEAD_BYTES
    if (length > area.length - at)
      return `option ${code} claims ${length} bytes where ${area.length - at} are left in its block`
    visit(code, viewOf(area, at, length))
    at += padded(length)
  }
  return null
}
