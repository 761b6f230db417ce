/**
 * Conversations written down again, in any format: the other half of reading a recording.
 *
 * - encoder: takes the events of a recording in order and gives the bytes of another file
 * - loss: what a format has no room for is left out, and docs/export.md says what that is for each
 */

import { TidegateError } from '../../errors.js'
import type { CaptureRecord } from '../codec/capture.js'
import type { ConversationEvent } from '../conversation.js'

export interface ConversationEncoder {
  /** What the file begins with. */
  start(): Iterable<Uint8Array>
  /** What this event adds. Each piece is valid only until the next is asked for. */
  push(event: ConversationEvent): Iterable<Uint8Array>
}

/** One that looks at the records, too, which the events are made of. */
export interface RecordingEncoder extends ConversationEncoder {
  /** Each before its events. Its bytes are not kept. */
  see(record: CaptureRecord): void
  /** What those seen have added: after the records of a chunk of a file, as there need not be any events. Valid as those of `push`. */
  settle(): Iterable<Uint8Array>
}

/** A connection was forgotten to keep memory bounded, and then had more data: never to be left out silently. */
export const forgotten = (connection: number): TidegateError =>
  new TidegateError(
    'file_damaged',
    `connection ${connection} goes on after too many others were open at once`,
    {
      fault: 'usage',
    },
  )

export const NOTHING: readonly Uint8Array[] = []
