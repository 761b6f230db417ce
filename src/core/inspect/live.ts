/**
 * Conversations of recordings that are being written, from the records of several files as they come. Files of one run of a
 * gateway are one recording, so a connection may go on from one into the next.
 */

import type { CaptureRecord } from '../codec/capture.js'
import type { ConversationEvent, ConversationReader } from '../conversation.js'
import { createNumbering } from '../reassembly/numbering.js'
import { createPacketConversations } from '../reassembly/packets.js'
import { RecentTable } from '../reassembly/recent-table.js'
import { recordingOf } from '../record/annotation.js'

/** Recordings followed at once; the least recently written one is forgotten first. */
const MAX_RECORDINGS = 256

const NOTHING: readonly ConversationEvent[] = []

export class LiveConversations {
  readonly #numbering = createNumbering()
  readonly #recordings = new RecentTable<ConversationReader>(MAX_RECORDINGS)
  /** Which recording each file's latest section is of. */
  readonly #sections = new Map<string, string>()

  /** @param file names the file that the record is from. */
  push(record: CaptureRecord, file: string): Iterable<ConversationEvent> {
    if (record.kind === 'damage' || record.kind === 'frame') return NOTHING
    // Without a name it is a recording by itself.
    if (record.kind === 'section') this.#sections.set(file, recordingOf(record.comments) ?? `file ${file}`)
    const recording = this.#sections.get(file)
    return recording === undefined ? NOTHING : this.#readerOf(recording).push(record)
  }

  /** Nothing more comes from that file. */
  forget(file: string): void {
    this.#sections.delete(file)
  }

  #readerOf(recording: string): ConversationReader {
    const known = this.#recordings.use(recording)
    if (known !== undefined) return known
    const reader = createPacketConversations(this.#numbering)
    this.#recordings.add(recording, reader)
    return reader
  }
}
