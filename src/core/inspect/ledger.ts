/**
 * Holds what a recording says about a connection (the ledger in its close record) against what the recording has of it.
 *
 * - hole: bytes that were relayed and are not in the file, whoever says so: the packets or the ledger
 * - mismatch: the ledger and the file disagree, so one of them is not what the gateway wrote
 */

import type { Direction } from '../direction.js'
import type { LedgerEntry, LostRange } from '../record/annotation.js'
import type { ConnectionSummary } from './connections.js'

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

const bytesLost = (entry: LedgerEntry): number => entry.lost.reduce((sum, { length }) => sum + length, 0)

const checkEntry = (entry: LedgerEntry, stored: number, gaps: number): string | null => {
  const lost = bytesLost(entry)
  if (entry.seen !== entry.stored + lost)
    return `the ledger does not add up: ${entry.seen} bytes seen, but ${entry.stored} stored and ${lost} lost`
  if (entry.stored !== stored) return `the ledger has ${entry.stored} bytes stored, the file has ${stored}`
  if (gaps !== 0 && gaps !== lost) return `the ledger has ${lost} bytes lost, the file is missing ${gaps}`
  return null
}

const DIRECTIONS: readonly Direction[] = ['upstream', 'downstream']

/** Null for a connection without a ledger: still open, or not recorded by a gateway. */
export const checkLedger = ({ end, stored, gaps }: ConnectionSummary): LedgerVerdict | null => {
  if (end.state === 'open' || end.annotation === null) return null
  const { annotation } = end
  const mismatches = DIRECTIONS.flatMap((direction) => {
    const message = checkEntry(annotation[direction], stored[direction], gaps[direction])
    return message === null ? [] : [{ direction, message }]
  })
  const untraced = DIRECTIONS.flatMap((direction) =>
    gaps[direction] > 0 ? [] : annotation[direction].lost.map((range) => ({ ...range, direction })),
  )
  return { mismatches, untraced }
}
