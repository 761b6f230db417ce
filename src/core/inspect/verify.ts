/**
 * What is wrong with a recording's conversations and packets, found while they are read.
 *
 * - hole: bytes that were relayed and are not in the files; not those that were left out on purpose. Packets that were made before the
 *   loss was known do not say why, nor do files that follow one another, but the ledger does: such a hole is told at the connection's end
 * - mismatch: the ledger and the file disagree; see ledger.ts
 * - corrupt: a packet's bytes were changed; see checksums.ts
 * - unfinished: no close record. Not a fault: a gateway that was killed, or still runs, leaves them. A connection that goes on
 *   in another file is none
 *
 * Damage of the file itself is the capture reader's to find.
 */

import type { CaptureRecord } from '../codec/capture.js'
import type { ConversationEvent } from '../conversation.js'
import type { Direction } from '../direction.js'
import { type CorruptFinding, createCorruptionFinder } from './checksums.js'
import { type ConnectionSummary, type ConnectionTotals, createConnectionTable } from './connections.js'
import { checkLedger } from './ledger.js'

interface About {
  readonly connection: number
  /** Null for a connection that was given up to keep memory bounded, before this was found. */
  readonly client: string | null
  readonly server: string | null
}

export interface HoleFinding extends About {
  readonly kind: 'hole'
  readonly direction: Direction
  readonly at: number
  readonly length: number
  readonly why: string | null
}

export interface MismatchFinding extends About {
  readonly kind: 'mismatch'
  readonly direction: Direction
  readonly message: string
}

export interface UnfinishedFinding extends About {
  readonly kind: 'unfinished'
}

export type Finding = HoleFinding | MismatchFinding | CorruptFinding | UnfinishedFinding

export interface VerifyTotals {
  readonly connections: ConnectionTotals
  readonly holes: number
  readonly mismatches: number
  /** Corrupt packets; 0 unless {@link Verifier.inspect} was called. */
  readonly corrupt: number
  readonly unfinished: number
  /** Connections that go on in another file, which is not among these. */
  readonly continued: number
  /** Closed connections whose ledger was checked. */
  readonly withLedger: number
}

export interface Verifier {
  /** Takes the records that the events come from, in file order, each before its bytes are no longer valid. */
  inspect(record: CaptureRecord): Iterable<Finding>
  push(event: ConversationEvent): Iterable<Finding>
  /** End of file: the unfinished connections. */
  end(): Iterable<Finding>
  readonly totals: VerifyTotals
}

const NONE: readonly Finding[] = []

/** Holes that wait for their connection's ledger, all connections together; more are told at once, without its reason. */
const MAX_UNEXPLAINED = 4096

/** Why the ledger has these bytes as lost; null: it does not say. */
const reasonOf = ({ end }: ConnectionSummary, { direction, at, length }: HoleFinding): string | null => {
  if (end.state === 'open' || end.annotation === null) return null
  const { lost } = end.annotation[direction]
  return lost.find((range) => range.at <= at && at + length <= range.at + range.length)?.why ?? null
}

/** @param expectEnds false for a format that knows no ends: then no connection is called unfinished. */
export const createVerifier = (expectEnds: boolean): Verifier => {
  const table = createConnectionTable()
  const corruptionOf = createCorruptionFinder()
  const totals = {
    connections: table.totals,
    holes: 0,
    mismatches: 0,
    corrupt: 0,
    unfinished: 0,
    continued: 0,
    withLedger: 0,
  }

  const inspect = (record: CaptureRecord): readonly Finding[] => {
    const found = corruptionOf(record)
    if (found === null) return NONE
    totals.corrupt++
    return [found]
  }

  const unexplained = new Map<number, HoleFinding[]>()
  let waiting = 0

  /** Those that waited for it, with what the ledger says of them. */
  const explained = (summary: ConnectionSummary): readonly Finding[] => {
    const holes = unexplained.get(summary.connection) ?? []
    unexplained.delete(summary.connection)
    waiting -= holes.length
    return holes.map((hole) => ({ ...hole, why: reasonOf(summary, hole) ?? hole.why }))
  }

  const explainLater = (hole: HoleFinding): void => {
    const holes = unexplained.get(hole.connection)
    if (holes === undefined) unexplained.set(hole.connection, [hole])
    else holes.push(hole)
    waiting++
  }

  const over = (summary: ConnectionSummary): readonly Finding[] => [
    ...explained(summary),
    ...conclusion(summary),
  ]

  const conclusion = (summary: ConnectionSummary): readonly Finding[] => {
    const { connection, client, server } = summary
    if (summary.end.state === 'open') {
      if (!expectEnds) return NONE
      if (summary.end.continued) {
        totals.continued++
        return NONE
      }
      totals.unfinished++
      return [{ kind: 'unfinished', connection, client, server }]
    }
    const verdict = checkLedger(summary)
    if (verdict === null) return NONE
    totals.withLedger++
    totals.holes += verdict.untraced.length
    totals.mismatches += verdict.mismatches.length
    return [
      ...verdict.untraced.map((range) => ({ kind: 'hole' as const, connection, client, server, ...range })),
      ...verdict.mismatches.map((found) => ({
        kind: 'mismatch' as const,
        connection,
        client,
        server,
        ...found,
      })),
    ]
  }

  const push = (event: ConversationEvent): readonly Finding[] => {
    const ended = table.push(event)
    if (ended !== null) return over(ended)
    if (event.kind !== 'gap' || event.cut) return NONE
    totals.holes++
    const { connection, direction, at, length, why = null, elsewhere = false } = event
    const { client = null, server = null } = table.opening(connection) ?? {}
    const hole: HoleFinding = { kind: 'hole', connection, client, server, direction, at, length, why }
    // Between two files there may be another one, or what no file has: the ledger knows.
    const isExplained = why !== null && !elsewhere
    if (isExplained || waiting >= MAX_UNEXPLAINED) return [hole]
    explainLater(hole)
    return NONE
  }

  function* end(): Generator<Finding> {
    for (const left of table.rest()) yield* over(left)
    // Of connections that the table had to give up.
    for (const holes of unexplained.values()) yield* holes
    unexplained.clear()
  }

  return { inspect, push, end, totals }
}
