/** What a write function was given, taken apart. */

import { TidegateError } from '../../errors.js'
import type { CaptureRecord } from '../codec/capture.js'
import type { Frame } from '../codec/gogetway/frame.js'
import { createGogetwayReader } from '../codec/gogetway/reader.js'

/**
 * The one frame of gogetway's that `framed` is. Its body may be a view of `framed`.
 * @throws TidegateError `value_invalid`: it is something else, or more than one.
 */
export const decodeGogetwayFrame = (framed: Uint8Array): Frame => {
  const reader = createGogetwayReader()
  const records: CaptureRecord[] = [...reader.push(framed), ...reader.end()]
  const [frame] = records
  if (frame?.kind !== 'frame' || records.length > 1)
    throw new TidegateError('value_invalid', 'expected one frame of gogetway’s', { fault: 'usage' })
  const { timeNs, type, from, to, body } = frame
  return { timeNs, type, from, to, body }
}
