/** What one open connection's packets have said so far: enough to introduce it in the next file. */

import { u32be } from '../../bytes.js'
import { beginPacket, encodeText, endPacket, packetBlockLength } from '../../codec/pcapng/writer.js'
import { type Direction, opposite } from '../../direction.js'
import type { Notes } from '../../reassembly/notes.js'
import { type Segment, TCP_FLAG } from '../../reassembly/segment.js'
import { encodeAnnotation, type OpenAnnotation } from '../annotation.js'
import type { PacketEnd, PacketEnds } from '../endpoints.js'
import { FLAGS, headerLength, packetRoutes, writePacket } from '../tcp-packet.js'
import type { PacketBlock } from './packet-blocks.js'

interface Stream {
  /** Sequence number of the byte at position 0; null: no packet has shown it. */
  base: number | null
  /** End of what was said, lost bytes counted as far as that is known. */
  at: number
}

const SEQUENCE_SPACE = 2 ** 32
const NO_PAYLOAD = new Uint8Array(0)

const positionOf = ({ base, at }: Stream, sequence: number, lostUntil: number): number => {
  const near = at + ((sequence - (base ?? sequence) - at) | 0)
  if (near >= lostUntil) return near
  const beyond = near + Math.ceil((lostUntil - near) / SEQUENCE_SPACE) * SEQUENCE_SPACE
  return beyond - lostUntil < SEQUENCE_SPACE / 2 ? beyond : near
}

const endAt = (packet: Uint8Array, version: 4 | 6, at: number, port: number): PacketEnd => ({
  words: Array.from({ length: version === 4 ? 1 : 4 }, (_, word) => u32be(packet, at + word * 4)),
  port,
})

export class Followed {
  /** The file, counted up, that has its beginning or its introduction. */
  file: number
  readonly id: number
  readonly #open: OpenAnnotation
  readonly #ends: PacketEnds
  readonly #interfaceIndex: number
  readonly #clientIsFirst: boolean
  readonly #streams: Readonly<Record<Direction, Stream>> = {
    upstream: { base: null, at: 0 },
    downstream: { base: null, at: 0 },
  }

  constructor(open: OpenAnnotation, block: PacketBlock, segment: Segment, fromClient: boolean, file: number) {
    const { version, sourceAt, destinationAt, sourcePort, destinationPort } = segment
    const source = endAt(block.data, version, sourceAt, sourcePort)
    const destination = endAt(block.data, version, destinationAt, destinationPort)
    this.file = file
    this.id = open.id
    this.#open = open
    this.#interfaceIndex = block.interfaceIndex
    this.#clientIsFirst = segment.sourceIsFirst === fromClient
    this.#ends = {
      version,
      client: fromClient ? source : destination,
      server: fromClient ? destination : source,
    }
  }

  take(segment: Segment, notes: Notes): void {
    const { flags, sequence, acknowledgment, payloadLength } = segment
    const direction = segment.sourceIsFirst === this.#clientIsFirst ? 'upstream' : 'downstream'
    const stream = this.#streams[direction]
    const other = this.#streams[opposite(direction)]
    const lastGap = notes.gaps.findLast((gap) => gap.direction === direction)
    const lostUntil = lastGap === undefined ? 0 : lastGap.at + lastGap.length
    if ((flags & TCP_FLAG.syn) !== 0) stream.base = (sequence + 1) >>> 0
    else stream.base ??= (sequence - lostUntil) >>> 0
    if ((flags & TCP_FLAG.ack) !== 0) other.base ??= acknowledgment
    if ((flags & TCP_FLAG.syn) !== 0) return
    const at = positionOf(stream, sequence, lostUntil)
    stream.at = Math.max(stream.at, payloadLength > 0 ? at + payloadLength : Math.min(lostUntil, at))
  }

  /** A packet without data that says who talks, and how far earlier files have it. */
  introduction(timeMs: number): Uint8Array {
    const { upstream, downstream } = this.#streams
    const continues = { upstream: upstream.at, downstream: downstream.at }
    const comments = [encodeText(encodeAnnotation({ ...this.#open, continues }))]
    const route = packetRoutes(this.#ends).upstream
    const dataLength = headerLength(route, FLAGS.ack)
    const memory = new ArrayBuffer(packetBlockLength(dataLength, comments))
    const bytes = new Uint8Array(memory)
    const view = new DataView(memory)
    const into = { bytes, view, words: new Uint32Array(memory) }
    const data = beginPacket(view, 0, this.#interfaceIndex, timeMs, dataLength)
    const seq = (upstream.base ?? 0) + upstream.at
    const ack = (downstream.base ?? 0) + downstream.at
    writePacket(into, data, route, FLAGS.ack, seq, ack, NO_PAYLOAD, 0, 0)
    endPacket(view, 0, dataLength, comments)
    return bytes
  }
}
