/**
 * The account of one direction of one connection: every byte seen is stored, lost, or still on its way to the
 * sink. `seen = stored + lost + waiting`, and nothing waits when the account is written down.
 */

import type { LedgerEntry, LostRange } from './annotation.js'

/**
 * Ranges kept apart per direction. 256 of them both ways, at most 100 bytes of JSON each, still fit one comment
 * (65,535 bytes). What is lost beyond that is added up in the last range.
 */
export const MAX_LOST_RANGES = 256

/** An errno or a short phrase; longer is cut so that the ranges fit. */
const MAX_WHY_CHARACTERS = 40

/** The last range when there were too many: from its `at` on, `length` bytes in all are missing. */
export const SEVERAL = 'several losses'

export class Ledger {
  #seen = 0
  #stored = 0
  #lostBytes = 0
  /** In order of position, disjoint. */
  readonly #lost: LostRange[] = []

  get seen(): number {
    return this.#seen
  }

  get stored(): number {
    return this.#stored
  }

  get lostBytes(): number {
    return this.#lostBytes
  }

  see(length: number): void {
    this.#seen += length
  }

  store(length: number): void {
    this.#stored += length
  }

  /** Returns what it noted down. Losses may be told in any order, but never twice. */
  lose(at: number, length: number, why: string): LostRange {
    const range: LostRange = { at, length, why: why.slice(0, MAX_WHY_CHARACTERS) }
    this.#lostBytes += length
    insertRange(this.#lost, range)
    if (this.#lost.length > MAX_LOST_RANGES) this.#addUpLastTwo()
    return range
  }

  entry(): LedgerEntry {
    return { seen: this.#seen, stored: this.#stored, lost: [...this.#lost] }
  }

  /** Keeps `lengths = lost bytes` true: the lengths are added, although bytes between the two may be stored. */
  #addUpLastTwo(): void {
    const last = this.#lost.pop()
    const earlier = this.#lost.pop()
    if (last === undefined || earlier === undefined) return
    this.#lost.push({ at: earlier.at, length: earlier.length + last.length, why: SEVERAL })
  }
}

const touches = (left: LostRange, right: LostRange): boolean =>
  left.at + left.length === right.at && left.why === right.why

/** Inserts in order of position, and joins it to neighbours that it touches and that were lost for the same reason. */
export const insertRange = (ranges: LostRange[], range: LostRange): void => {
  let index = ranges.length
  while (index > 0 && (ranges[index - 1]?.at ?? 0) > range.at) index--
  const before = ranges[index - 1]
  const after = ranges[index]
  let { at, length } = range
  let from = index
  let replaced = 0
  if (before !== undefined && touches(before, range)) {
    at = before.at
    length += before.length
    from--
    replaced++
  }
  if (after !== undefined && touches(range, after)) {
    length += after.length
    replaced++
  }
  ranges.splice(from, replaced, { at, length, why: range.why })
}
