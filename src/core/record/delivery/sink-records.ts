/**
 * What a recording's reader finds, as records for a sink: connections by their lasting names instead of by their order in a file, ends
 * with their positions, and bytes that nobody will overwrite.
 */

import type { CloseEvent, ConversationEvent, OpenEvent } from '../../conversation.js'
import type { Direction } from '../../direction.js'
import type { ConnectionKey, OpenRecord, SinkRecord } from './sink-record.js'

interface Known {
  readonly key: ConnectionKey
  /** End of what was said so far, lost bytes counted. */
  upstream: number
  downstream: number
}

/** Where a recording does not say why bytes are missing, the connection's ledger does. */
const NOT_SAID = ''

const NOTHING: readonly SinkRecord[] = []

export class SinkRecords {
  /** By the number that the reader gives them. */
  readonly #known = new Map<number, Known>()
  readonly #nameless = new Map<number, OpenEvent>()
  #ignored = 0

  /** Events of connections without a name, which no recording of a gateway has. */
  get ignored(): number {
    return this.#ignored
  }

  push(event: ConversationEvent): readonly SinkRecord[] {
    if (event.kind === 'open') return this.#open(event)
    if (event.kind === 'close') return this.#close(event)
    // It is opened again in the next file.
    if (event.kind === 'continue') return NOTHING
    const known = this.#known.get(event.connection)
    if (known === undefined) {
      this.#ignored++
      return NOTHING
    }
    const { timeNs, direction } = event
    const about = { ...known.key, direction, timeNs }
    switch (event.kind) {
      case 'data': {
        const { at } = event
        const bytes = new Uint8Array(event.bytes)
        this.#advance(known, direction, at + bytes.length)
        return [{ kind: 'data', ...about, at, bytes }]
      }
      case 'gap': {
        const { at, length, why = NOT_SAID } = event
        this.#advance(known, direction, at + length)
        return [{ kind: 'gap', ...about, at, length, why, cut: event.cut === true }]
      }
      case 'fin':
        return [{ kind: 'fin', ...about, at: known[direction] }]
    }
  }

  #advance(known: Known, direction: Direction, to: number): void {
    known[direction] = to
  }

  #open(event: OpenEvent): readonly SinkRecord[] {
    const { connection, id, recording, continues } = event
    if (id === undefined || recording === undefined) {
      this.#nameless.set(connection, event)
      return NOTHING
    }
    const { upstream, downstream } = continues ?? { upstream: 0, downstream: 0 }
    const key = { recording, connection: id }
    this.#known.set(connection, { key, upstream, downstream })
    return [openRecord(event, key)]
  }

  #close(event: CloseEvent): readonly SinkRecord[] {
    const { connection, timeNs, annotation } = event
    const key = this.#known.get(connection)?.key
    const nameless = this.#nameless.get(connection)
    this.#known.delete(connection)
    this.#nameless.delete(connection)
    // A recording of a gateway says so where a connection is over; without, it only looks so.
    if (annotation === null) return NOTHING
    const { id, reason, upstream, downstream } = annotation
    const close = { kind: 'close', timeNs, reason, upstream, downstream } as const
    if (key !== undefined) return [{ ...close, ...key }]
    // Its `open` was lost, but not this.
    if (nameless?.recording === undefined) return NOTHING
    const late = { recording: nameless.recording, connection: id }
    return [openRecord(nameless, late), { ...close, ...late }]
  }
}

const openRecord = (
  { timeNs, listener = '', client, server }: OpenEvent,
  key: ConnectionKey,
): OpenRecord => ({
  kind: 'open',
  ...key,
  timeNs,
  listener,
  client,
  server,
})
