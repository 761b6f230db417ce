/**
 * A slab: the memory packets are written into, and what is handed to the sink in one piece. It knows what is in
 * it, so that once the sink has answered, every byte can be entered as stored or lost.
 *
 *     slab     = section-start blocks     ; the start is handed over only while the file does not have one
 */

import type { LostRange } from './annotation.js'
import type { PacketMemory } from './tcp-packet.js'
import type { ConnectionTrack, StreamTrack } from './track.js'

/** What a slab holds besides data, which has to be said again if the slab is lost. */
export type Note =
  | { readonly kind: 'open'; readonly connection: ConnectionTrack }
  | { readonly kind: 'gap'; readonly stream: StreamTrack; readonly ranges: readonly LostRange[] }
  | { readonly kind: 'fin'; readonly stream: StreamTrack }
  | { readonly kind: 'close'; readonly connection: ConnectionTrack }

/** The shortest block with data: 32 of pcapng, 40 of TCP/IPv4, 1 padded to 4. So a slab has never more ranges. */
const MIN_DATA_BLOCK_BYTES = 76

export class Slab implements PacketMemory {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly words: Uint32Array
  /** End of what is written. */
  used: number
  /** Runs of data: `lengths[i]` bytes from `ats[i]` of `streams[i]`. */
  runs = 0
  readonly ats: Float64Array
  readonly lengths: Float64Array
  readonly streams: (StreamTrack | null)[]
  notes: Note[] = []
  readonly #startBytes: number

  /** Room for `blockBytes` of blocks after the section's start. */
  constructor(sectionStart: Uint8Array, blockBytes: number) {
    const buffer = new ArrayBuffer(sectionStart.length + blockBytes)
    this.bytes = new Uint8Array(buffer)
    this.view = new DataView(buffer)
    this.words = new Uint32Array(buffer)
    this.bytes.set(sectionStart)
    this.#startBytes = sectionStart.length
    this.used = sectionStart.length
    const maxRuns = Math.ceil(blockBytes / MIN_DATA_BLOCK_BYTES)
    this.ats = new Float64Array(maxRuns)
    this.lengths = new Float64Array(maxRuns)
    this.streams = new Array<StreamTrack | null>(maxRuns).fill(null)
  }

  get blockBytes(): number {
    return this.used - this.#startBytes
  }

  hasRoom(length: number): boolean {
    return this.used + length <= this.bytes.length
  }

  /**
   * Notes that `length` bytes from `at` of the stream are here. No allocation: this is done for each chunk. The stream's
   * last run may be of an earlier use of this slab; then it is no longer found in `streams`.
   */
  addRun(stream: StreamTrack, at: number, length: number): void {
    const last = stream.lastRun
    if (
      stream.lastSlab === this &&
      this.streams[last] === stream &&
      (this.ats[last] ?? 0) + (this.lengths[last] ?? 0) === at
    ) {
      this.lengths[last] = (this.lengths[last] ?? 0) + length
      return
    }
    this.streams[this.runs] = stream
    this.ats[this.runs] = at
    this.lengths[this.runs] = length
    stream.lastSlab = this
    stream.lastRun = this.runs++
    stream.connection.unsettled++
  }

  /** Its bytes for the sink. */
  contents(withSectionStart: boolean): Uint8Array {
    return this.bytes.subarray(withSectionStart ? 0 : this.#startBytes, this.used)
  }

  reset(): void {
    this.used = this.#startBytes
    this.streams.fill(null, 0, this.runs)
    this.runs = 0
    this.notes = []
  }
}
