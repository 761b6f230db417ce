/**
 * A slab: the memory packets are written into, and what is handed to the sink in one piece. It knows what is in
 * it, so that once the sink has answered, every byte can be entered as stored or lost.
 */

import type { PacketMemory } from './tcp-packet.js'
import type { ConnectionTrack, Gap, StreamTrack } from './track.js'

/** What a slab holds besides data, which has to be said again if the slab is lost. */
export type Note =
  | { readonly kind: 'open'; readonly connection: ConnectionTrack }
  | { readonly kind: 'gap'; readonly stream: StreamTrack; readonly ranges: readonly Gap[] }
  | { readonly kind: 'fin'; readonly stream: StreamTrack }
  | { readonly kind: 'close'; readonly connection: ConnectionTrack }

/** The shortest block with data: 32 of pcapng, 40 of TCP/IPv4, 1 padded to 4. So a slab has never more ranges. */
const MIN_DATA_BLOCK_BYTES = 76

export class Slab implements PacketMemory {
  bytes: Uint8Array<ArrayBuffer>
  view: DataView
  words: Uint32Array
  /** End of what is written. */
  used = 0
  /** Runs of data: `lengths[i]` bytes from `ats[i]` of `streams[i]`. */
  runs = 0
  readonly ats: Float64Array
  readonly lengths: Float64Array
  readonly streams: (StreamTrack | null)[]
  notes: Note[] = []

  constructor(memory: ArrayBuffer) {
    this.bytes = new Uint8Array(memory)
    this.view = new DataView(memory)
    this.words = new Uint32Array(memory)
    const maxRuns = Math.ceil(memory.byteLength / MIN_DATA_BLOCK_BYTES)
    this.ats = new Float64Array(maxRuns)
    this.lengths = new Float64Array(maxRuns)
    this.streams = new Array<StreamTrack | null>(maxRuns).fill(null)
  }

  /** Lies in `memory` from now on; what was in it before stays behind. */
  use(memory: ArrayBuffer): void {
    this.bytes = new Uint8Array(memory)
    this.view = new DataView(memory)
    this.words = new Uint32Array(memory)
  }

  /** False once its memory was transferred to another thread. */
  get hasMemory(): boolean {
    return this.bytes.length > 0
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

  /** What of it the sink takes. */
  get contents(): Uint8Array {
    return this.bytes.subarray(0, this.used)
  }

  /** How much of that is what connections said. */
  get payloadBytes(): number {
    let bytes = 0
    for (let run = 0; run < this.runs; run++) bytes += this.lengths[run] ?? 0
    return bytes
  }

  reset(): void {
    this.used = 0
    this.streams.fill(null, 0, this.runs)
    this.runs = 0
    this.notes = []
  }
}
