/**
 * Conversations and connections as plain objects for JSON: the shapes of `inspect --json` and of `export --format
 * jsonl`, documented in docs/inspect.md and docs/export.md. Absent values are null, never left out.
 */

import type { CloseReason } from '../close-reason.js'
import type { ConversationEvent } from '../conversation.js'
import type { Direction, PerDirection } from '../direction.js'
import type { Position } from '../record/annotation.js'
import type { ConnectionSummary } from './connections.js'
import { isoTime, milliseconds } from './figures.js'

export type EventJson =
  | {
      readonly kind: 'open'
      readonly connection: number
      readonly time: string
      readonly client: string
      readonly server: string
      readonly listener: string | null
      readonly id: number | null
      readonly recording: string | null
      readonly fromStart: boolean
      readonly continues: PerDirection<number> | null
    }
  | {
      readonly kind: 'data'
      readonly connection: number
      readonly time: string
      readonly direction: Direction
      readonly at: number
      readonly length: number
      /** Base64. */
      readonly data: string
    }
  | {
      readonly kind: 'gap'
      readonly connection: number
      readonly time: string
      readonly direction: Direction
      readonly at: number
      readonly length: number
      readonly why: string | null
      readonly cut: boolean
    }
  | {
      readonly kind: 'fin'
      readonly connection: number
      readonly time: string
      readonly direction: Direction
    }
  | {
      readonly kind: 'continue'
      readonly connection: number
      readonly time: string
      readonly at: PerDirection<number>
    }
  | {
      readonly kind: 'close'
      readonly connection: number
      readonly time: string
      readonly how: 'fin' | 'reset'
      readonly reason: CloseReason | null
    }

const positionOf = (position: Position | undefined): PerDirection<number> | null =>
  position === undefined ? null : { upstream: position.upstream, downstream: position.downstream }

/** @param base64 encodes a payload; given by the shell, which has a fast one. */
export const eventJson = (event: ConversationEvent, base64: (bytes: Uint8Array) => string): EventJson => {
  const { connection } = event
  const time = isoTime(event.timeNs)
  switch (event.kind) {
    case 'open': {
      const { client, server, listener = null, id = null, recording = null, fromStart } = event
      const continues = positionOf(event.continues)
      return {
        kind: 'open',
        connection,
        time,
        client,
        server,
        listener,
        id,
        recording,
        fromStart,
        continues,
      }
    }
    case 'data': {
      const { direction, at, bytes } = event
      return { kind: 'data', connection, time, direction, at, length: bytes.length, data: base64(bytes) }
    }
    case 'gap': {
      const { direction, at, length, why = null, cut = false } = event
      return { kind: 'gap', connection, time, direction, at, length, why, cut }
    }
    case 'fin':
      return { kind: 'fin', connection, time, direction: event.direction }
    case 'continue':
      return {
        kind: 'continue',
        connection,
        time,
        at: { upstream: event.upstream, downstream: event.downstream },
      }
    case 'close':
      return { kind: 'close', connection, time, how: event.how, reason: event.annotation?.reason ?? null }
  }
}

export interface ConnectionJson {
  readonly connection: number
  readonly client: string
  readonly server: string
  readonly listener: string | null
  readonly start: string
  readonly durationMs: number
  readonly bytes: PerDirection<number>
  readonly lost: PerDirection<number>
  /** Left out on purpose. */
  readonly cut: PerDirection<number>
  readonly state: 'open' | 'closed'
  readonly reason: CloseReason | null
  readonly end: 'fin' | 'reset' | null
  readonly fromStart: boolean
  /** Where it is taken over from a file that was not read. */
  readonly continues: PerDirection<number> | null
  /** It goes on in a file that was not read. */
  readonly continued: boolean
  readonly id: number | null
  readonly recording: string | null
}

export const connectionJson = (summary: ConnectionSummary): ConnectionJson => ({
  connection: summary.connection,
  client: summary.client,
  server: summary.server,
  listener: summary.listener ?? null,
  start: isoTime(summary.startNs),
  durationMs: milliseconds(summary.endNs - summary.startNs),
  bytes: { upstream: summary.stored.upstream, downstream: summary.stored.downstream },
  lost: { upstream: summary.missing.upstream, downstream: summary.missing.downstream },
  cut: { upstream: summary.cut.upstream, downstream: summary.cut.downstream },
  state: summary.end.state,
  reason: summary.end.state === 'closed' ? (summary.end.annotation?.reason ?? null) : null,
  end: summary.end.state === 'closed' ? summary.end.how : null,
  fromStart: summary.fromStart,
  continues: positionOf(summary.continues),
  continued: summary.end.state === 'open' && summary.end.continued,
  id: summary.id ?? null,
  recording: summary.recording ?? null,
})
