/** Reads one segment of a spool, while it grows or afterwards, as batches for a sink. Memory does not grow with the segment. */

import { type FileHandle, open } from 'node:fs/promises'
import type { CaptureReader, DamageRecord } from '../../core/codec/capture.js'
import { createPcapngReader } from '../../core/codec/pcapng/reader.js'
import type { ConversationEvent, ConversationReader } from '../../core/conversation.js'
import { createPacketConversations } from '../../core/reassembly/packets.js'
import type { SinkRecord } from '../../core/record/delivery/sink-record.js'
import { SinkRecords } from '../../core/record/delivery/sink-records.js'

const READ_BYTES = 256 * 1024

/** What one batch takes at most; beyond it by one record. */
export interface BatchLimits {
  readonly records: number
  readonly bytes: number
}

/** A record's own weight, besides the bytes that it carries. */
const RECORD_BYTES = 256

const sizeOf = (record: SinkRecord): number =>
  RECORD_BYTES + (record.kind === 'data' ? record.bytes.length : 0)

export class SegmentReader {
  readonly #file: FileHandle
  readonly #limits: BatchLimits
  readonly #blocks: CaptureReader = createPcapngReader()
  readonly #conversations: ConversationReader = createPacketConversations()
  readonly #records = new SinkRecords()
  readonly #buffer = new Uint8Array(READ_BYTES)
  #at = 0
  /** What of the last bytes read is not given out yet. */
  #rest: Iterator<SinkRecord> | null = null
  #ended = false
  #damage: DamageRecord | null = null

  private constructor(file: FileHandle, limits: BatchLimits) {
    this.#file = file
    this.#limits = limits
  }

  /** @throws what the system says. */
  static async open(path: string, limits: BatchLimits): Promise<SegmentReader> {
    return new SegmentReader(await open(path, 'r'), limits)
  }

  /** What is not a whole block any more; null: nothing so far. */
  get damage(): DamageRecord | null {
    return this.#damage
  }

  /** Events that no connection's name could be found for. */
  get ignored(): number {
    return this.#records.ignored
  }

  /** The next batch of what is before `end`; empty: there is none. @throws what the system says. */
  async next(end: number): Promise<readonly SinkRecord[]> {
    const batch: SinkRecord[] = []
    let bytes = 0
    for (;;) {
      for (let next = this.#rest?.next(); next?.done === false; next = this.#rest?.next()) {
        batch.push(next.value)
        bytes += sizeOf(next.value)
        if (batch.length >= this.#limits.records || bytes >= this.#limits.bytes) return batch
      }
      this.#rest = null
      if (this.#ended || !(await this.#read(end))) return batch
    }
  }

  /** No bytes come after those that were read: {@link next} then gives what was held back. */
  finish(): void {
    if (this.#ended) return
    this.#ended = true
    this.#rest = this.#last()
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  /** False when there is nothing. */
  async #read(end: number): Promise<boolean> {
    if (this.#damage !== null) return false
    const wanted = Math.min(READ_BYTES, end - this.#at)
    if (wanted <= 0) return false
    const { bytesRead } = await this.#file.read(this.#buffer, 0, wanted, this.#at)
    if (bytesRead === 0) return false
    this.#at += bytesRead
    this.#rest = this.#within(this.#buffer.subarray(0, bytesRead))
    return true
  }

  *#within(chunk: Uint8Array): Generator<SinkRecord> {
    for (const block of this.#blocks.push(chunk)) {
      if (block.kind === 'damage') this.#damage = block
      yield* this.#of(this.#conversations.push(block))
    }
  }

  *#last(): Generator<SinkRecord> {
    for (const block of this.#blocks.end()) if (block.kind === 'damage') this.#damage = block
    yield* this.#of(this.#conversations.end())
  }

  *#of(events: Iterable<ConversationEvent>): Generator<SinkRecord> {
    for (const event of events) yield* this.#records.push(event)
  }
}
