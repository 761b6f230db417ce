/**
 * Records of a sink (record/delivery/sink-record.ts) as pcapng again, as the gateway would have written it: what was kept of each connection,
 * under its own number, with its own ledger and reason. What is missing among the records is missing in the packets as well, so that
 * `verify` finds it.
 */

import { LINK_TYPE } from '../codec/link-types.js'
import {
  beginPacket,
  encodeInterface,
  encodeSectionStart,
  encodeText,
  endPacket,
  NO_COMMENTS,
  packetBlockLength,
  setPacketTime,
} from '../codec/pcapng/writer.js'
import type { Direction } from '../direction.js'
import { type Annotation, encodeAnnotation, encodeRecordingComment } from '../record/annotation.js'
import type {
  CloseRecord,
  DataRecord,
  FinRecord,
  GapRecord,
  OpenRecord,
  SinkRecord,
} from '../record/delivery/sink-record.js'
import { packetEnds } from '../record/endpoints.js'
import {
  FLAGS,
  headerLength,
  type PacketMemory,
  type PacketRoute,
  packetRoutes,
  writePacket,
} from '../record/tcp-packet.js'
import { endAddress } from './end-address.js'

/** What is given out at a time; a block, of at most some 200 KiB, fits in any case. */
const MEMORY_BYTES = 1024 * 1024
/** As in the recorder: a direction that only receives still acknowledges. */
const PACKETS_PER_ACK = 1000
/** Keeps a note far from the length that it would be cut at. */
const MAX_WHY_CHARACTERS = 200

const NO_BYTES = new Uint8Array(0)

interface Stream {
  readonly direction: Direction
  readonly route: PacketRoute
  /** Sequence number of the SYN. */
  readonly initial: number
  /** After everything told so far. */
  next: number
  fin: boolean
  unacknowledged: number
}

interface Connection {
  readonly recording: string
  readonly number: number
  readonly interfaceIndex: number
  readonly upstream: Stream
  readonly downstream: Stream
  lastFin: Stream | null
}

/** Consecutive connections between the same ends begin far apart. */
const initialSequence = (connection: number, salt: number): number => {
  const mixed = Math.imul((connection >>> 0) ^ salt, 0x9e3779b1)
  return Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b) >>> 0
}

const streamOf = (direction: Direction, route: PacketRoute, connection: number): Stream => ({
  direction,
  route,
  initial: initialSequence(connection, direction === 'upstream' ? 0 : -1),
  next: 0,
  fin: false,
  unacknowledged: 0,
})

const sequenceAt = ({ initial }: Stream, at: number): number => initial + 1 + at
const nextSequence = (stream: Stream): number => sequenceAt(stream, stream.next) + (stream.fin ? 1 : 0)
const comment = (annotation: Annotation): readonly Uint8Array[] => [encodeText(encodeAnnotation(annotation))]

/** The bytes that it gives out are valid until the next are asked for. */
export class RecordEncoder {
  readonly #application: string
  readonly #memory: PacketMemory
  #used = 0
  /** Of the section that is being written. */
  #recording: string | null = null
  readonly #interfaces = new Map<string, number>()
  #connection: Connection | null = null

  /** @param application who writes it, e.g. `tidegate 0.1.0`. */
  constructor(application: string) {
    this.#application = application
    const memory = new ArrayBuffer(MEMORY_BYTES)
    this.#memory = {
      view: new DataView(memory),
      bytes: new Uint8Array(memory),
      words: new Uint32Array(memory),
    }
  }

  /** Records of one connection after the other, each beginning with its `open`. What comes before one is passed over. */
  *push(record: SinkRecord): Generator<Uint8Array> {
    if (record.kind === 'open') return yield* this.#open(record)
    const connection = this.#connection
    if (connection?.recording !== record.recording || connection.number !== record.connection) return
    switch (record.kind) {
      case 'data':
        return yield* this.#data(connection, record)
      case 'gap':
        return yield* this.#gap(connection, record)
      case 'fin':
        return yield* this.#fin(connection, record)
      case 'close':
        yield* this.#close(connection, record)
        this.#connection = null
    }
  }

  /** What is left. */
  *end(): Generator<Uint8Array> {
    if (this.#used > 0) yield this.#take()
  }

  *#open({ recording, connection: id, timeNs, listener, client, server }: OpenRecord): Generator<Uint8Array> {
    if (this.#recording !== recording) yield* this.#section(recording)
    const interfaceIndex = this.#interfaces.get(listener) ?? (yield* this.#interface(listener))
    const routes = packetRoutes(packetEnds(endAddress(client), endAddress(server), id))
    const upstream = streamOf('upstream', routes.upstream, id)
    const downstream = streamOf('downstream', routes.downstream, id)
    const connection = { recording, number: id, interfaceIndex, upstream, downstream, lastFin: null }
    this.#connection = connection
    const { syn, ack } = FLAGS
    const note = comment({ kind: 'open', id, listener, client, server })
    yield* this.#bare(connection, upstream, syn, upstream.initial, 0, timeNs, note)
    yield* this.#bare(connection, downstream, syn | ack, downstream.initial, upstream.initial + 1, timeNs)
    yield* this.#bare(connection, upstream, ack, upstream.initial + 1, downstream.initial + 1, timeNs)
  }

  *#data(connection: Connection, { direction, at, bytes, timeNs }: DataRecord): Generator<Uint8Array> {
    const stream = connection[direction]
    const other = opposite(connection, direction)
    for (let from = 0; from < bytes.length; from += stream.route.maxPayload) {
      const to = Math.min(bytes.length, from + stream.route.maxPayload)
      const sequence = sequenceAt(stream, at + from)
      stream.next = Math.max(stream.next, at + to)
      const flags = FLAGS.psh | FLAGS.ack
      yield* this.#packet(
        connection,
        stream,
        flags,
        sequence,
        nextSequence(other),
        timeNs,
        NO_COMMENTS,
        bytes,
        from,
        to,
      )
      other.unacknowledged = 0
      if (++stream.unacknowledged < PACKETS_PER_ACK) continue
      stream.unacknowledged = 0
      yield* this.#bare(connection, other, FLAGS.ack, nextSequence(other), nextSequence(stream), timeNs)
    }
  }

  /** On a packet of its own. */
  *#gap(
    connection: Connection,
    { direction, at, length, why, cut, timeNs }: GapRecord,
  ): Generator<Uint8Array> {
    const stream = connection[direction]
    stream.next = Math.max(stream.next, at + length)
    const gap = { kind: 'gap', direction, at, length, why: why.slice(0, MAX_WHY_CHARACTERS) } as const
    const note = comment(cut ? { ...gap, cut } : gap)
    const acknowledged = nextSequence(opposite(connection, direction))
    yield* this.#bare(connection, stream, FLAGS.ack, nextSequence(stream), acknowledged, timeNs, note)
  }

  *#fin(connection: Connection, { direction, at, timeNs }: FinRecord): Generator<Uint8Array> {
    const stream = connection[direction]
    if (stream.fin) return
    stream.next = Math.max(stream.next, at)
    const other = opposite(connection, direction)
    const flags = FLAGS.fin | FLAGS.ack
    yield* this.#bare(connection, stream, flags, sequenceAt(stream, at), nextSequence(other), timeNs)
    stream.fin = true
    connection.lastFin = stream
  }

  *#close(connection: Connection, record: CloseRecord): Generator<Uint8Array> {
    const { reason, timeNs, connection: id } = record
    const { upstream, downstream, lastFin } = connection
    const isFinished = upstream.fin && downstream.fin
    const last = lastFin === upstream ? downstream : upstream
    const stream = isFinished ? last : reason === 'client_reset' ? upstream : downstream
    const flags = isFinished ? FLAGS.ack : FLAGS.rst | FLAGS.ack
    const note = comment({
      kind: 'close',
      id,
      reason,
      upstream: record.upstream,
      downstream: record.downstream,
    })
    const acknowledged = nextSequence(opposite(connection, stream.direction))
    yield* this.#bare(connection, stream, flags, nextSequence(stream), acknowledged, timeNs, note)
  }

  *#section(recording: string): Generator<Uint8Array> {
    this.#recording = recording
    this.#interfaces.clear()
    yield* this.#raw(encodeSectionStart(this.#application, [], encodeRecordingComment(recording)))
  }

  *#interface(listener: string): Generator<Uint8Array, number> {
    const index = this.#interfaces.size
    this.#interfaces.set(listener, index)
    const description = 'recorded by a gateway; handshakes are synthetic'
    yield* this.#raw(encodeInterface({ linkType: LINK_TYPE.raw, name: listener, description }))
    return index
  }

  *#raw(block: Uint8Array): Generator<Uint8Array> {
    yield* this.#room(block.length)
    this.#memory.bytes.set(block, this.#used)
    this.#used += block.length
  }

  #bare(
    connection: Connection,
    stream: Stream,
    flags: number,
    sequence: number,
    acknowledged: number,
    timeNs: bigint,
    comments: readonly Uint8Array[] = NO_COMMENTS,
  ): Generator<Uint8Array> {
    return this.#packet(connection, stream, flags, sequence, acknowledged, timeNs, comments, NO_BYTES, 0, 0)
  }

  *#packet(
    { interfaceIndex }: Connection,
    { route }: Stream,
    flags: number,
    sequence: number,
    acknowledged: number,
    timeNs: bigint,
    comments: readonly Uint8Array[],
    payload: Uint8Array,
    from: number,
    to: number,
  ): Generator<Uint8Array> {
    const dataLength = headerLength(route, flags) + to - from
    yield* this.#room(packetBlockLength(dataLength, comments))
    const { view } = this.#memory
    const block = this.#used
    const data = beginPacket(view, block, interfaceIndex, 0, dataLength)
    setPacketTime(view, block, timeNs)
    writePacket(this.#memory, data, route, flags, sequence, acknowledged, payload, from, to)
    this.#used = endPacket(view, block, dataLength, comments)
  }

  *#room(length: number): Generator<Uint8Array> {
    if (this.#used + length > MEMORY_BYTES) yield this.#take()
  }

  #take(): Uint8Array {
    const bytes = this.#memory.bytes.subarray(0, this.#used)
    this.#used = 0
    return bytes
  }
}

const opposite = ({ upstream, downstream }: Connection, direction: Direction): Stream =>
  direction === 'upstream' ? downstream : upstream
