/**
 * Holds what a recording says about a connection (the ledger in its close record) against what the recording has of it.
 *
 * - hole: bytes that were relayed and are not in the files, whoever says so: the packets or the ledger. What was cut is none
 * - mismatch: the ledger and the file disagree, so one of them is not what the gateway wrote
 */

import type { Direction } from '../direction.js'
import type { LedgerEntry, LostRange } from '../record/annotation.js'
import type { ConnectionSummary } from './connections.js'
import type { Extent } from './extent.js'

export interface Mismatch {
  readonly direction: Direction
  /** One line: what the ledger says, what the file has. */
  readonly message: string
}

export interface LedgerVerdict {
  readonly mismatches: readonly Mismatch[]
  /** Losses that only the ledger knows of: no packet came after them to show them. */
  readonly untraced: readonly (LostRange & { readonly direction: Direction })[]
}

const sum = (ranges: readonly LostRange[]): number => ranges.reduce((total, { length }) => total + length, 0)

/** What the files have of one direction. */
interface Found {
  readonly stored: number
  readonly lost: number
  readonly cut: number
  readonly extent: Extent
}

const checkSum = ({ seen, stored, lost, cut = [] }: LedgerEntry): string | null => {
  if (seen === stored + sum(lost) + sum(cut)) return null
  const cutText = cut.length === 0 ? '' : ` and ${sum(cut)} cut`
  return `the ledger does not add up: ${seen} bytes seen, but ${stored} stored and ${sum(lost)} lost${cutText}`
}

/** Of what the ledger has, only what the files at hand can have is held against them. */
const checkEntry = (entry: LedgerEntry, { extent, ...found }: Found): string | null => {
  const wrongSum = checkSum(entry)
  if (wrongSum !== null) return wrongSum
  const { seen, lost: allLost, cut: allCut = [] } = entry
  if (!extent.isClear([...allLost, ...allCut])) return null
  const lost = extent.bytesWithin(allLost)
  const cut = extent.bytesWithin(allCut)
  const stored = seen - extent.from - extent.absentBytes - lost - cut
  const here = extent.isWhole ? '' : ' of what the files can have'
  if (stored !== found.stored)
    return `the ledger has ${stored} bytes stored${here}, the file has ${found.stored}`
  if (found.lost !== 0 && found.lost !== lost)
    return `the ledger has ${lost} bytes lost${here}, the file is missing ${found.lost}`
  if (found.cut !== 0 && found.cut !== cut)
    return `the ledger has ${cut} bytes cut${here}, the file says ${found.cut}`
  return null
}

const DIRECTIONS: readonly Direction[] = ['upstream', 'downstream']

/** Null for a connection without a ledger: still open, or not recorded by a gateway. */
export const checkLedger = ({
  end,
  stored,
  gaps,
  cutGaps,
  extent,
}: ConnectionSummary): LedgerVerdict | null => {
  if (end.state === 'open' || end.annotation === null) return null
  const { annotation } = end
  const mismatches = DIRECTIONS.flatMap((direction) => {
    const message = checkEntry(annotation[direction], {
      stored: stored[direction],
      lost: gaps[direction],
      cut: cutGaps[direction],
      extent: extent[direction],
    })
    return message === null ? [] : [{ direction, message }]
  })
  const untraced = DIRECTIONS.flatMap((direction) =>
    gaps[direction] > 0
      ? []
      : annotation[direction].lost
          .filter((range) => extent[direction].within(range) > 0)
          .map((range) => ({ ...range, length: extent[direction].within(range), direction })),
  )
  return { mismatches, untraced }
}
