/**
 * The account of a recording's connections: one summary per connection, given out when it ends.
 *
 * - stored: bytes of a direction that are in the file
 * - missing: bytes of a direction that were relayed but are not in the files: lost, or in a file in between that is not
 *   among these
 * - cut: bytes of a direction that were left out on purpose
 * - open: the files hold no end for it: the gateway was killed, the capture stopped, the format knows no ends, or it goes on
 *   in another file
 */

import type { ConversationEvent, GapEvent, OpenEvent } from '../conversation.js'
import type { Direction, PerDirection } from '../direction.js'
import { MAX_TRACKED_CONNECTIONS } from '../reassembly/limits.js'
import { RecentTable } from '../reassembly/recent-table.js'
import type { CloseAnnotation, Position } from '../record/annotation.js'
import { Extent } from './extent.js'

export type ConnectionEnd =
  | {
      readonly state: 'open'
      /** The last file at hand says that the next one goes on. */
      readonly continued: boolean
    }
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
  /** The gateway's own number, and the run of the gateway that it is unique in, where the recording says. */
  readonly id: number | undefined
  readonly recording: string | undefined
  readonly fromStart: boolean
  /** Where it is taken over from a file that is not among these. */
  readonly continues: Position | undefined
  readonly startNs: bigint
  /** The latest time of its events. */
  readonly endNs: bigint
  readonly stored: PerDirection<number>
  /** By gap events alone: what the packets themselves show to be lost. */
  readonly gaps: PerDirection<number>
  /** By gap events alone: what the packets themselves show to be cut. */
  readonly cutGaps: PerDirection<number>
  /** As the packets or the ledger say, whichever knows of more. */
  readonly missing: PerDirection<number>
  /** As the packets or the ledger say, whichever knows of more. */
  readonly cut: PerDirection<number>
  /** What of each direction the files at hand can have. */
  readonly extent: PerDirection<Extent>
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
  readonly cut: PerDirection<number>
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
  readonly cutGaps: Figures
  readonly extent: PerDirection<Extent>
  isContinued: boolean
}

/** A ledger may know of a loss, or a cut, that left no trace in the packets. */
const missingIn = (
  direction: Direction,
  { gaps, extent }: Followed,
  ledger: CloseAnnotation | null,
): number => {
  const { absentBytes } = extent[direction]
  const known = ledger === null ? 0 : extent[direction].bytesWithin(ledger[direction].lost)
  return Math.max(gaps[direction], known) + absentBytes
}

const cutIn = (
  direction: Direction,
  { cutGaps, extent }: Followed,
  ledger: CloseAnnotation | null,
): number => {
  const known = ledger === null ? 0 : extent[direction].bytesWithin(ledger[direction].cut ?? [])
  return Math.max(cutGaps[direction], known)
}

const both = (figure: (direction: Direction) => number): Figures => ({
  upstream: figure('upstream'),
  downstream: figure('downstream'),
})

const leftOpen = ({ isContinued }: Followed): ConnectionEnd => ({ state: 'open', continued: isContinued })

const summarise = (followed: Followed, end: ConnectionEnd): ConnectionSummary => {
  const { kind: _, timeNs: startNs, continues, ...open } = followed.open
  const { endNs, stored, gaps, cutGaps, extent } = followed
  const ledger = end.state === 'closed' ? end.annotation : null
  const missing = both((direction) => missingIn(direction, followed, ledger))
  const cut = both((direction) => cutIn(direction, followed, ledger))
  return { ...open, continues, startNs, endNs, stored, gaps, cutGaps, missing, cut, extent, end }
}

export const createConnectionTable = (maxFollowed: number = MAX_FOLLOWED): ConnectionTable => {
  const followed = new RecentTable<Followed>(maxFollowed)
  const totals = {
    connections: 0,
    open: 0,
    incomplete: 0,
    stored: { upstream: 0, downstream: 0 },
    missing: { upstream: 0, downstream: 0 },
    cut: { upstream: 0, downstream: 0 },
  }

  const giveOut = (one: Followed, end: ConnectionEnd): ConnectionSummary => {
    const summary = summarise(one, end)
    const { stored, missing, cut } = summary
    if (end.state === 'open') totals.open++
    if (missing.upstream + missing.downstream > 0) totals.incomplete++
    totals.stored.upstream += stored.upstream
    totals.stored.downstream += stored.downstream
    totals.missing.upstream += missing.upstream
    totals.missing.downstream += missing.downstream
    totals.cut.upstream += cut.upstream
    totals.cut.downstream += cut.downstream
    return summary
  }

  const open = (event: OpenEvent): ConnectionSummary | null => {
    totals.connections++
    const evicted = followed.add(String(event.connection), {
      open: event,
      endNs: event.timeNs,
      stored: { upstream: 0, downstream: 0 },
      gaps: { upstream: 0, downstream: 0 },
      cutGaps: { upstream: 0, downstream: 0 },
      extent: {
        upstream: new Extent(event.continues?.upstream ?? 0),
        downstream: new Extent(event.continues?.downstream ?? 0),
      },
      isContinued: false,
    })
    return evicted === undefined ? null : giveOut(evicted, leftOpen(evicted))
  }

  const noteGap = (one: Followed, { direction, at, length, cut, elsewhere }: GapEvent): void => {
    if (elsewhere) one.extent[direction].addAbsent(at, length)
    else if (cut) one.cutGaps[direction] += length
    else one.gaps[direction] += length
  }

  const push = (event: ConversationEvent): ConnectionSummary | null => {
    if (event.kind === 'open') return open(event)
    const one = followed.use(String(event.connection))
    if (one === undefined) return null
    if (event.timeNs > one.endNs) one.endNs = event.timeNs
    one.isContinued = event.kind === 'continue'
    switch (event.kind) {
      case 'data':
        one.stored[event.direction] += event.bytes.length
        return null
      case 'gap':
        noteGap(one, event)
        return null
      case 'fin':
      case 'continue':
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
      yield giveOut(one, leftOpen(one))
    }
  }

  return { push, opening: (connection) => followed.use(String(connection))?.open, rest, totals }
}
