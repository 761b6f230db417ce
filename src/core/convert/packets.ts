/**
 * Packets of any recording as pcapng, one file of however many: each packet as it was captured, with its time, its interface, its
 * comments. Nothing is put together or taken apart, so whoever reads the result finds the connections of the files it is made of,
 * and a connection that goes on from file to file goes on in it.
 *
 * - run: the files of one run of a gateway (record/annotation.ts); they become one section. Any other section stays one
 * - pending: blocks that were made and not taken yet
 */

import { viewOf } from '../bytes.js'
import {
  type CaptureRecord,
  type InterfaceRecord,
  MAX_RECORD_BYTES,
  type PacketRecord,
  type SectionRecord,
} from '../codec/capture.js'
import {
  beginPacket,
  encodeInterface,
  encodeSectionStart,
  encodeText,
  endPacket,
  NO_COMMENTS,
  packetBlockLength,
  setOriginalLength,
  setPacketTime,
} from '../codec/pcapng/writer.js'
import { recordingOf } from '../record/annotation.js'

/** Grows to what the records of one chunk of a file take, and one more of the longest. */
const FIRST_MEMORY_BYTES = 256 * 1024

/** What is written at the moment. */
interface Section {
  /** The run of a gateway that it is of; null where it does not say: then nothing else may be joined to it. */
  readonly run: string | null
  readonly application: string
  /** Interfaces in it, by what they are: each file of a run names them anew. */
  readonly interfaces: Map<string, number>
}

/** Told of the records of a recording, in order; what they become is fetched by {@link PacketEncoder.take}. */
export class PacketEncoder {
  #memory = new Uint8Array(FIRST_MEMORY_BYTES)
  #used = 0
  #section: Section | null = null
  /** Of the interfaces of the file that is being read, their number in the section that is being written. */
  readonly #indexes = new Map<number, number>()

  /** Frames and damage are passed over. The record's bytes are copied. */
  see(record: CaptureRecord): void {
    if (record.kind === 'section') this.#begin(record)
    else if (record.kind === 'interface') this.#interface(record)
    else if (record.kind === 'packet') this.#packet(record)
  }

  /** Something else is written to the file next, with sections of its own. */
  leave(): void {
    this.#section = null
  }

  /** Whole blocks, valid until the next record; empty where there are none. */
  take(): Uint8Array {
    const taken = this.#memory.subarray(0, this.#used)
    this.#used = 0
    return taken
  }

  #begin({ application = '', comments }: SectionRecord): void {
    this.#indexes.clear()
    const run = recordingOf(comments)
    const section = this.#section
    if (run !== null && section?.run === run && section.application === application) return
    this.#section = { run, application, interfaces: new Map() }
    this.#append(encodeSectionStart(application, [], ...comments))
  }

  #interface({ index, linkType, name = '', description = '' }: InterfaceRecord): void {
    if (this.#section === null) return
    const { interfaces } = this.#section
    const key = JSON.stringify([linkType, name, description])
    const known = interfaces.get(key)
    this.#indexes.set(index, known ?? interfaces.size)
    if (known !== undefined) return
    interfaces.set(key, interfaces.size)
    this.#append(encodeInterface({ linkType, name, description }))
  }

  #packet({ timeNs, interfaceIndex, data, originalLength, comments }: PacketRecord): void {
    const index = this.#indexes.get(interfaceIndex)
    if (index === undefined) return
    const texts = comments.length === 0 ? NO_COMMENTS : comments.map((comment) => encodeText(comment))
    // A pcap packet of 16 MiB would make a block that is longer than readers take.
    const kept = viewOf(data, 0, Math.min(data.length, MAX_RECORD_BYTES - packetBlockLength(0, texts)))
    const length = packetBlockLength(kept.length, texts)
    this.#reserve(length)
    const view = new DataView(this.#memory.buffer, this.#used, length)
    this.#memory.set(kept, this.#used + beginPacket(view, 0, index, 0, kept.length))
    setPacketTime(view, 0, timeNs)
    setOriginalLength(view, 0, originalLength)
    this.#used += endPacket(view, 0, kept.length, texts)
  }

  #append(block: Uint8Array): void {
    this.#reserve(block.length)
    this.#memory.set(block, this.#used)
    this.#used += block.length
  }

  #reserve(length: number): void {
    const needed = this.#used + length
    if (needed <= this.#memory.length) return
    const larger = new Uint8Array(Math.max(needed, 2 * this.#memory.length))
    larger.set(this.#memory.subarray(0, this.#used))
    this.#memory = larger
  }
}
