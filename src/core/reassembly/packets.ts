/**
 * Captured packets as conversations: TCP reassembly, of Tidegate's own recordings and of captures from elsewhere.
 *
 * - segment: one packet's part in a TCP connection (segment.ts)
 * - flow: one direction, put in order (flow.ts)
 * - connection: both, from open to close (connection.ts)
 *
 * A connection is known by its two addresses and ports. It is opened by a SYN, or by the first packet with
 * data, a FIN or an annotation where the SYN is missing; a SYN with another initial sequence number, or an `open`
 * annotation with another number, opens the next one between the same ends.
 */

import type { CaptureRecord, PacketRecord, SectionRecord } from '../codec/capture.js'
import type { ConversationEvent, ConversationReader } from '../conversation.js'
import { endText } from '../ip-text.js'
import { recordingOf } from '../record/annotation.js'
import { Connection } from './connection.js'
import type { HeldBudget } from './flow.js'
import { MAX_TRACKED_CONNECTIONS } from './limits.js'
import { type Notes, notesOf } from './notes.js'
import { createNumbering, type Numbering } from './numbering.js'
import { RecentTable } from './recent-table.js'
import { createSegment, readSegment, type Segment, TCP_FLAG } from './segment.js'
import { senderIsClient } from './sides.js'

const NOTHING: readonly ConversationEvent[] = []

/** Names of a section's interfaces that are kept: enough for any real file, and at most 1 MiB. */
const MAX_NAMES = 4096
const MAX_NAME_LENGTH = 128

const opensConnection = ({ flags, payloadLength }: Segment, { open, close }: Notes): boolean => {
  if (open !== null || close !== null) return true
  if ((flags & TCP_FLAG.rst) !== 0) return false
  return (flags & (TCP_FLAG.syn | TCP_FLAG.fin)) !== 0 || payloadLength > 0
}

class PacketConversations implements ConversationReader {
  #ignored = 0
  readonly #numbering: Numbering
  readonly #connections = new RecentTable<Connection>(MAX_TRACKED_CONNECTIONS)
  /** Those that Tidegate recorded in this section, without saying in which run. */
  readonly #anonymous = new Set<Connection>()
  /** Who recorded this section; null where it does not say. */
  #recording: string | null = null
  readonly #names = new Map<number, string>()
  readonly #budget: HeldBudget = { used: 0 }
  readonly #segment = createSegment()

  constructor(numbering: Numbering) {
    this.#numbering = numbering
  }

  get ignored(): number {
    return this.#ignored
  }

  push(record: CaptureRecord): Iterable<ConversationEvent> {
    switch (record.kind) {
      case 'packet':
        return this.#packet(record)
      case 'section':
        return this.#section(record)
      case 'interface':
        if (
          record.name !== undefined &&
          record.name.length <= MAX_NAME_LENGTH &&
          this.#names.size < MAX_NAMES
        )
          this.#names.set(record.index, record.name)
        return NOTHING
      default:
        return NOTHING
    }
  }

  end(): Iterable<ConversationEvent> {
    const out: ConversationEvent[] = []
    const connections = [...this.#connections.values()].sort((a, b) => a.number - b.number)
    for (const connection of connections) connection.finish(out)
    return out
  }

  /**
   * Sections of one run of a gateway are one recording, in however many files: connections go on in the next. Of one that
   * does not say which run it is of, nothing lives on, since after a restart connections are numbered anew. (Captures from
   * elsewhere may have been joined, so their connections stay.)
   */
  #section({ comments }: SectionRecord): Iterable<ConversationEvent> {
    const out: ConversationEvent[] = []
    for (const connection of this.#anonymous) this.#forget(connection, out)
    this.#names.clear()
    this.#recording = recordingOf(comments)
    return out
  }

  #packet(record: PacketRecord): Iterable<ConversationEvent> {
    const segment = this.#segment
    if (!readSegment(record.linkType, record.data, record.originalLength, segment)) {
      this.#ignored += 1
      return NOTHING
    }
    const out: ConversationEvent[] = []
    const notes = notesOf(record.comments)
    const known = this.#connections.use(segment.key)
    const isOver = known?.isOver(segment, notes, this.#recording) ?? false
    if (known !== undefined && isOver) this.#forget(known, out)
    const current = isOver ? undefined : known
    if (current === undefined && !opensConnection(segment, notes)) return out
    const connection = current ?? this.#open(record, segment, notes, out)
    if (notes.open !== null) this.#claim(connection)
    connection.take(record.data, segment, notes, record.timeNs, out)
    return out
  }

  /** A connection that Tidegate recorded belongs to the run that wrote this section. */
  #claim(connection: Connection): void {
    connection.recording = this.#recording
    if (this.#recording === null) this.#anonymous.add(connection)
    else this.#anonymous.delete(connection)
  }

  #open(record: PacketRecord, segment: Segment, notes: Notes, out: ConversationEvent[]): Connection {
    const { timeNs, data } = record
    const { version, key, sourceIsFirst } = segment
    const fromClient = senderIsClient(data, segment, notes)
    const source = endText(data, version, segment.sourceAt, segment.sourcePort)
    const destination = endText(data, version, segment.destinationAt, segment.destinationPort)
    const number = this.#numbering()
    const clientIsFirst = fromClient === sourceIsFirst
    const connection = new Connection({ number, key, clientIsFirst, timeNs }, this.#budget)
    const evicted = this.#connections.add(key, connection)
    if (evicted !== undefined) this.#forget(evicted, out)
    out.push({
      kind: 'open',
      connection: number,
      timeNs,
      client: notes.open?.client ?? (fromClient ? source : destination),
      server: notes.open?.server ?? (fromClient ? destination : source),
      listener: notes.open?.listener ?? this.#names.get(record.interfaceIndex),
      id: notes.open?.id,
      recording: this.#recording ?? undefined,
      fromStart: (segment.flags & TCP_FLAG.syn) !== 0,
      continues: notes.open?.continues,
    })
    return connection
  }

  #forget(connection: Connection, out: ConversationEvent[]): void {
    connection.finish(out)
    this.#connections.delete(connection.key)
    this.#anonymous.delete(connection)
  }
}

/** Conversations of a pcapng or pcap file; frames are passed over. */
export const createPacketConversations = (numbering: Numbering = createNumbering()): ConversationReader =>
  new PacketConversations(numbering)
