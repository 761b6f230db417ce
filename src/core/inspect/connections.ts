/**
 * The account of a recording's connections: one summary per connection, given out when it ends.
 *
 * - stored: bytes of a direction that are in the file
 * - missing: bytes of a direction that were relayed but are not in the file
 * - open: the file holds no end for it: the gateway was killed, the capture stopped, or the format knows no ends
 */

import type { ConversationEvent, OpenEvent } from '../conversation.js'
import type { Direction, PerDirection } from '../direction.js'
import { MAX_TRACKED_CONNECTIONS } from '../reassembly/limits.js'
import { RecentTable } from '../reassembly/recent-table.js'
import type { CloseAnnotation } from '../record/annotation.js'

export type ConnectionEnd =
  | { readonly state: 'open' }
  | {
      readonly state: 'closed'
      readonly how: 'fin' | 'reset'
      /** The gateway's reason and ledger, if the recording has them. */
      readonly annotation: CloseAnnotation | null
    }

export interface ConnectionSummary {
  readonly connection: number
  readonly client: string
  readonly server: string
  readonly listener: string | undefined
  readonly fromStart: boolean
  readonly startNs: bigint
  /** The latest time of its events. */
  readonly endNs: bigint
  readonly stored: PerDirection<number>
  /** By gap events alone: what the packets themselves show to be missing. */
  readonly gaps: PerDirection<number>
  /** As the packets or the ledger say, whichever knows of more. */
  readonly missing: PerDirection<number>
  readonly end: ConnectionEnd
}

/** Figures of all connections seen so far. */
export interface ConnectionTotals {
  readonly connections: number
  /** Those that {@link ConnectionTable.rest} gave out, or that were given up to keep memory bounded. */
  readonly open: number
  /** Connections with at least one missing byte. */
  readonly incomplete: number
  readonly stored: PerDirection<number>
  readonly missing: PerDirection<number>
}

export interface ConnectionTable {
  /** Takes the next event; returns the summary of a connection that is over with it, else null. */
  push(event: ConversationEvent): ConnectionSummary | null
  /** How a connection began that is not over yet. */
  opening(connection: number): OpenEvent | undefined
  /** End of file: what is still open, by number. Empties the table. */
  rest(): Iterable<ConnectionSummary>
  readonly totals: ConnectionTotals
}

/**
 * Connections followed at once. The reader forgets those beyond {@link MAX_TRACKED_CONNECTIONS} by their packets, which do not
 * all make events; with twice as many, none is forgotten here first. At 1 KiB each, 128 MiB in all. Beyond it the least
 * recently active one is given out as open.
 */
export const MAX_FOLLOWED: number = 2 * MAX_TRACKED_CONNECTIONS

type Figures = Record<Direction, number>

interface Followed {
  readonly open: OpenEvent
  endNs: bigint
  readonly stored: Figures
  readonly gaps: Figures
}

const lostBytes = ({ lost }: CloseAnnotation[Direction]): number =>
  lost.reduce((sum, range) => sum + range.length, 0)

/** A ledger may know of a loss that left no trace in the packets. */
const missingIn = (gaps: Figures, annotation: CloseAnnotation | null): Figures => {
  if (annotation === null) return gaps
  return {
    upstream: Math.max(gaps.upstream, lostBytes(annotation.upstream)),
    downstream: Math.max(gaps.downstream, lostBytes(annotation.downstream)),
  }
}

const summarise = (followed: Followed, end: ConnectionEnd): ConnectionSummary => {
  const { connection, client, server, listener, fromStart, timeNs: startNs } = followed.open
  const { endNs, stored, gaps } = followed
  const missing = missingIn(gaps, end.state === 'closed' ? end.annotation : null)
  return { connection, client, server, listener, fromStart, startNs, endNs, stored, gaps, missing, end }
}

export const createConnectionTable = (maxFollowed: number = MAX_FOLLOWED): ConnectionTable => {
  const followed = new RecentTable<Followed>(maxFollowed)
  const totals = {
    connections: 0,
    open: 0,
    incomplete: 0,
    stored: { upstream: 0, downstream: 0 },
    missing: { upstream: 0, downstream: 0 },
  }

  const giveOut = (one: Followed, end: ConnectionEnd): ConnectionSummary => {
    const summary = summarise(one, end)
    const { stored, missing } = summary
    if (end.state === 'open') totals.open++
    if (missing.upstream + missing.downstream > 0) totals.incomplete++
    totals.stored.upstream += stored.upstream
    totals.stored.downstream += stored.downstream
    totals.missing.upstream += missing.upstream
    totals.missing.downstream += missing.downstream
    return summary
  }

  const open = (event: OpenEvent): ConnectionSummary | null => {
    totals.connections++
    const evicted = followed.add(String(event.connection), {
      open: event,
      endNs: event.timeNs,
      stored: { upstream: 0, downstream: 0 },
      gaps: { upstream: 0, downstream: 0 },
    })
    return evicted === undefined ? null : giveOut(evicted, { state: 'open' })
  }

  const push = (event: ConversationEvent): ConnectionSummary | null => {
    if (event.kind === 'open') return open(event)
    const one = followed.use(String(event.connection))
    if (one === undefined) return null
    if (event.timeNs > one.endNs) one.endNs = event.timeNs
    switch (event.kind) {
      case 'data':
        one.stored[event.direction] += event.bytes.length
        return null
      case 'gap':
        one.gaps[event.direction] += event.length
        return null
      case 'fin':
        return null
      case 'close':
        followed.delete(String(event.connection))
        return giveOut(one, { state: 'closed', how: event.how, annotation: event.annotation })
    }
  }

  function* rest(): Generator<ConnectionSummary> {
    const byNumber = [...followed.values()].sort((a, b) => a.open.connection - b.open.connection)
    for (const one of byNumber) {
      followed.delete(String(one.open.connection))
      yield giveOut(one, { state: 'open' })
    }
  }

  return { push, opening: (connection) => followed.use(String(connection))?.open, rest, totals }
}
