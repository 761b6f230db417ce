/**
 * The account of one direction of one connection: every byte seen is stored, lost, cut (left out because the config says
 * so), or still on its way to the sink. `seen = stored + lost + cut + waiting`, and nothing waits when the account is
 * written down.
 */

import type { LedgerEntry, LostRange } from './annotation.js'

/**
 * Ranges kept apart per direction. 256 of them both ways, at most 100 bytes of JSON each, still fit one comment
 * (65,535 bytes). What is lost beyond that is added up in the last range.
 */
export const MAX_LOST_RANGES = 256

/**
 * The same for what was cut: one for the limit, and one for each time that recording was switched off. Both ways, these and
 * the lost ones still fit one comment.
 */
export const MAX_CUT_RANGES = 32

/** An errno or a short phrase; longer is cut so that the ranges fit. */
const MAX_WHY_CHARACTERS = 40

/** The last range when there were too many: from its `at` on, `length` bytes in all are missing. */
export const SEVERAL = 'several losses'
export const SEVERAL_CUTS = 'several cuts'

export class Ledger {
  #seen = 0
  #stored = 0
  #lostBytes = 0
  /** In order of position, disjoint. */
  readonly #lost: LostRange[] = []
  /** As {@link #lost}, never touching. */
  readonly #cut: LostRange[] = []

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
    if (this.#lost.length > MAX_LOST_RANGES) addUpLastTwo(this.#lost, SEVERAL)
    return range
  }

  /** As {@link lose}, for what is left out on purpose. */
  cut(at: number, length: number, why: string): LostRange {
    const range: LostRange = { at, length, why: why.slice(0, MAX_WHY_CHARACTERS) }
    insertRange(this.#cut, range)
    if (this.#cut.length > MAX_CUT_RANGES) addUpLastTwo(this.#cut, SEVERAL_CUTS)
    return range
  }

  entry(): LedgerEntry {
    const entry = { seen: this.#seen, stored: this.#stored, lost: [...this.#lost] }
    return this.#cut.length === 0 ? entry : { ...entry, cut: [...this.#cut] }
  }
}

/** Keeps `lengths = lost bytes` true: the lengths are added, although bytes between the two may be stored. */
const addUpLastTwo = (ranges: LostRange[], why: string): void => {
  const last = ranges.pop()
  const earlier = ranges.pop()
  if (last === undefined || earlier === undefined) return
  ranges.push({ at: earlier.at, length: earlier.length + last.length, why })
}

const touches = (left: LostRange, right: LostRange): boolean =>
  left.at + left.length === right.at && left.why === right.why

/** Inserts in order of position, and joins it to neighbours that it touches and that were lost for the same reason. */
export const insertRange = <Range extends LostRange>(ranges: Range[], range: Range): void => {
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
  ranges.splice(from, replaced, { ...range, at, length })
}
