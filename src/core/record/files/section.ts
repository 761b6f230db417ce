/** The start of each file's section: that of the recording, with the file's number, by which readers know their order. */

import { OPTION, padded } from '../../codec/pcapng/blocks.js'
import { encodeText } from '../../codec/pcapng/writer.js'
import { encodeFileComment } from '../annotation.js'

/** Type, length, magic, version and section length. */
const OPTIONS_AT = 24

/** `sectionStart` begins with a section header, which has options. */
export const numberedSection = (sectionStart: Uint8Array, number: number): Uint8Array => {
  const comment = encodeText(encodeFileComment(number))
  const added = 4 + padded(comment.length)
  const bytes = new Uint8Array(sectionStart.length + added)
  bytes.set(sectionStart.subarray(0, OPTIONS_AT))
  bytes.set(comment, OPTIONS_AT + 4)
  bytes.set(sectionStart.subarray(OPTIONS_AT), OPTIONS_AT + added)
  const view = new DataView(bytes.buffer)
  view.setUint16(OPTIONS_AT, OPTION.comment, true)
  view.setUint16(OPTIONS_AT + 2, comment.length, true)
  const length = view.getUint32(4, true) + added
  view.setUint32(4, length, true)
  view.setUint32(length - 4, length, true)
  return bytes
}
