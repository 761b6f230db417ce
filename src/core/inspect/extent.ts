/**
 * The part of a direction's stream that the files at hand can have: where a connection lies in several files, one of them may
 * be read alone, or one in between may be missing. A ledger speaks of the whole stream, so it is held against this part.
 */

import type { LostRange } from '../record/annotation.js'
import { SEVERAL } from '../record/ledger.js'

/** Absent ranges kept per direction; a connection that misses more files than this is not held against its ledger. */
const MAX_ABSENT = 256

type Range = Pick<LostRange, 'at' | 'length'>

const overlap = (one: Range, other: Range): number =>
  Math.max(0, Math.min(one.at + one.length, other.at + other.length) - Math.max(one.at, other.at))

export class Extent {
  /** In an earlier file than these. */
  readonly from: number
  /** In files in between. */
  absentBytes = 0
  readonly #absent: Range[] = []

  constructor(from: number) {
    this.from = from
  }

  get isWhole(): boolean {
    return this.from === 0 && this.absentBytes === 0
  }

  addAbsent(at: number, length: number): void {
    this.absentBytes += length
    if (this.#absent.length < MAX_ABSENT) this.#absent.push({ at, length })
  }

  /** Whether it is known which bytes of `ranges` are within: not where a ledger added several up. */
  isClear(ranges: readonly LostRange[]): boolean {
    return this.isWhole || (this.#absent.length < MAX_ABSENT && ranges.every(({ why }) => why !== SEVERAL))
  }

  /** Of `range`, the bytes that are within. */
  within(range: Range): number {
    if (this.isWhole) return range.length
    const before = overlap(range, { at: 0, length: this.from })
    const absent = this.#absent.reduce((sum, one) => sum + overlap(range, one), 0)
    return range.length - before - absent
  }

  bytesWithin(ranges: readonly Range[]): number {
    return ranges.reduce((sum, range) => sum + this.within(range), 0)
  }
}
