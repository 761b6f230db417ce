/**
 * Writes a connection's packets into slabs, with the sequence numbers, comments and notes that belong to them. Says
 * by null or false that there was no room; then nothing was written.
 */

import { beginPacket, endPacket, NO_COMMENTS, packetBlockLength } from '../codec/pcapng/writer.js'
import { count, FIGURE } from './counters.js'
import type { Slab } from './slab.js'
import type { SlabPool } from './slab-pool.js'
import { FLAGS, headerLength, writePacket } from './tcp-packet.js'
import { type ConnectionTrack, gapComment, type StreamTrack } from './track.js'

const NOTHING = new Uint8Array(0)

export class Scribe {
  /** Takes slabs beyond the pool's bound when there is no other room. */
  boundless: boolean
  readonly #pool: SlabPool
  readonly #figures: Float64Array

  constructor(pool: SlabPool, figures: Float64Array, boundless: boolean) {
    this.#pool = pool
    this.#figures = figures
    this.boundless = boundless
  }

  open({ upstream, downstream }: ConnectionTrack, nowMs: number): void {
    const { syn, ack } = FLAGS
    const [client, server] = [upstream.synSequence, downstream.synSequence]
    if (this.#emit(upstream, syn, client, 0, nowMs, null) === null) return
    this.#emit(downstream, syn | ack, server, client + 1, nowMs, null)
    this.#emit(upstream, ack, client + 1, server + 1, nowMs, null)
  }

  /** `chunk[from, to)`, which stands at `at` of the stream. */
  data(stream: StreamTrack, chunk: Uint8Array, from: number, to: number, at: number, nowMs: number): boolean {
    const { opposite } = stream
    const flags = FLAGS.psh | FLAGS.ack
    const seq = stream.sequenceAt(at)
    const slab = this.#write(stream, flags, seq, opposite.nextSequence, nowMs, null, chunk, from, to)
    if (slab === null) return false
    slab.addRun(stream, at, to - from)
    stream.unacknowledged++
    opposite.unacknowledged = 0
    return true
  }

  acknowledge(stream: StreamTrack, nowMs: number): void {
    stream.unacknowledged = 0
    this.#emit(stream.opposite, FLAGS.ack, stream.opposite.nextSequence, stream.nextSequence, nowMs, null)
  }

  fin(stream: StreamTrack, nowMs: number): boolean {
    const { connection, opposite } = stream
    const flags = FLAGS.fin | FLAGS.ack
    const slab = this.#emit(stream, flags, stream.sequenceAt(stream.next), opposite.nextSequence, nowMs, null)
    if (slab === null) return false
    stream.fin = 'written'
    slab.notes.push({ kind: 'fin', stream })
    connection.unsettled++
    return true
  }

  /** The connection's last packet, with its FINs before it if they are still due. */
  close(connection: ConnectionTrack): boolean {
    const { ending, upstream, downstream } = connection
    if (ending === null) return true
    for (const stream of [upstream, downstream])
      if (stream.fin === 'due' && !this.fin(stream, ending.timeMs)) return false
    const { stream, reset } = connection.lastWord(ending.reason)
    const flags = reset ? FLAGS.rst | FLAGS.ack : FLAGS.ack
    const comment = connection.closeComment(ending.reason)
    const { nextSequence, opposite } = stream
    const slab = this.#emit(stream, flags, nextSequence, opposite.nextSequence, ending.timeMs, comment)
    if (slab === null) return false
    slab.notes.push({ kind: 'close', connection })
    connection.unsettled++
    return true
  }

  #emit(
    stream: StreamTrack,
    flags: number,
    seq: number,
    ack: number,
    timeMs: number,
    comment: Uint8Array | null,
  ): Slab | null {
    return this.#write(stream, flags, seq, ack, timeMs, comment, NOTHING, 0, 0)
  }

  /** One packet, with the comments that are due. Null if there is no room. */
  #write(
    stream: StreamTrack,
    flags: number,
    seq: number,
    ack: number,
    timeMs: number,
    comment: Uint8Array | null,
    payload: Uint8Array,
    from: number,
    to: number,
  ): Slab | null {
    const { connection, route } = stream
    const plain = comment === null && !connection.openDue && !stream.hasUntold
    const comments = plain ? NO_COMMENTS : this.#comments(stream, comment)
    const dataLength = headerLength(route, flags) + to - from
    const length = packetBlockLength(dataLength, comments)
    const slab = this.#pool.room(length, this.boundless)
    if (slab === null) return null
    const block = slab.used
    const data = beginPacket(slab.view, block, connection.interfaceIndex, timeMs, dataLength)
    writePacket(slab, data, route, flags, seq, ack, payload, from, to)
    slab.used = endPacket(slab.view, block, dataLength, comments)
    count(this.#figures, FIGURE.blockBytes, length)
    if (!plain) this.#noteComments(slab, stream)
    return slab
  }

  #comments(stream: StreamTrack, comment: Uint8Array | null): readonly Uint8Array[] {
    return [
      ...(stream.connection.openDue ? [stream.connection.openComment()] : []),
      ...stream.untold.map((range) => gapComment(stream.direction, range)),
      ...(comment === null ? [] : [comment]),
    ]
  }

  #noteComments(slab: Slab, stream: StreamTrack): void {
    const { connection } = stream
    if (connection.openDue) {
      connection.openDue = false
      connection.unsettled++
      slab.notes.push({ kind: 'open', connection })
    }
    if (!stream.hasUntold) return
    connection.unsettled++
    slab.notes.push({ kind: 'gap', stream, ranges: stream.takeUntold() })
  }
}
