/**
 * gogetway's frames as conversations. Frames carry whole payloads between two named ends, so there is
 * nothing to put in order: the first frame between two ends opens their connection, its `from` being the client. The format
 * has no ends of connections, so there are no `fin` and `close` events, and a later connection of the same two ends
 * continues the first.
 */

import type { CaptureRecord, FrameRecord } from '../codec/capture.js'
import type { ConversationEvent, ConversationReader } from '../conversation.js'
import type { Direction } from '../direction.js'
import { MAX_TRACKED_CONNECTIONS } from './limits.js'
import { createNumbering, type Numbering } from './numbering.js'
import { RecentTable } from './recent-table.js'

interface FrameConnection {
  readonly number: number
  readonly client: string
  /** Bytes so far. */
  readonly position: { upstream: number; downstream: number }
}

const NOTHING: readonly ConversationEvent[] = []

/** The same for both directions; line feeds occur in no address. */
const keyOf = (from: string, to: string): string => (from <= to ? `${from}\n${to}` : `${to}\n${from}`)

class FrameConversations implements ConversationReader {
  readonly ignored = 0
  readonly #connections = new RecentTable<FrameConnection>(MAX_TRACKED_CONNECTIONS)
  readonly #numbering: Numbering

  constructor(numbering: Numbering) {
    this.#numbering = numbering
  }

  push(record: CaptureRecord): Iterable<ConversationEvent> {
    if (record.kind !== 'frame') return NOTHING
    const out: ConversationEvent[] = []
    const connection = this.#connections.use(keyOf(record.from, record.to)) ?? this.#open(record, out)
    const direction: Direction = record.from === connection.client ? 'upstream' : 'downstream'
    const { timeNs, body } = record
    if (body.length > 0) {
      const at = connection.position[direction]
      out.push({ kind: 'data', connection: connection.number, timeNs, direction, at, bytes: body })
      connection.position[direction] += body.length
    }
    return out
  }

  end(): Iterable<ConversationEvent> {
    return NOTHING
  }

  #open({ from, to, timeNs }: FrameRecord, out: ConversationEvent[]): FrameConnection {
    const number = this.#numbering()
    const connection: FrameConnection = {
      number,
      client: from,
      position: { upstream: 0, downstream: 0 },
    }
    this.#connections.add(keyOf(from, to), connection)
    out.push({
      kind: 'open',
      connection: number,
      timeNs,
      client: from,
      server: to,
      listener: undefined,
      id: undefined,
      recording: undefined,
      fromStart: true,
      continues: undefined,
    })
    return connection
  }
}

/** Conversations of a gogetway file; other records are passed over. */
export const createFrameConversations = (numbering: Numbering = createNumbering()): ConversationReader =>
  new FrameConversations(numbering)
