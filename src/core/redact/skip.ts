/**
 * Where nothing is alive: which bytes need no look at, because no match can lie there.
 *
 * All rules together are taken for one sequence of byte sets: what may be at offset 0 of a match or of what it comes after, at offset 1, and so
 * on, at most as far as the shortest match goes. It is searched by BNDM (Navarro and Raffinot, 2000): a window is read
 * from its end, all offsets at which the bytes read so far could be are kept as bits, and when there are none left, the
 * window moves on beyond them. Most windows need one or two of their bytes.
 */

import type { Automaton } from './automaton.js'
import { BYTE_VALUES, type ByteSet, unionOf } from './byte-set.js'

/** At most so many bits; a longer one would skip little more, and where it skips nothing it costs its length for each byte. */
const MAX_WINDOW = 12

export class Skipper {
  readonly #window: number
  /** Whether two bytes are looked at before anything is decided. */
  readonly #byPairs: boolean
  /** Bit k of `#offsets[byte]`: a match may have the byte at offset k. */
  readonly #offsets = new Int32Array(BYTE_VALUES)

  constructor(automaton: Automaton) {
    const levels = levelsOf(automaton)
    const { window, byPairs } = bestPlan(levels)
    this.#window = window
    this.#byPairs = byPairs
    levels.slice(0, window).forEach((set, offset) => {
      for (let byte = 0; byte < BYTE_VALUES; byte += 1) {
        if (set[byte] === 1) this.#offsets[byte] = (this.#offsets[byte] ?? 0) | (1 << offset)
      }
    })
  }

  /** The first place from `from` on where a match, or what it comes after, may begin; the chunk's length if there is none. */
  next(chunk: Uint8Array, from: number): number {
    const window = this.#window
    if (window === 0) return chunk.length
    const lastWindow = chunk.length - window
    let at = from
    for (;;) {
      at = this.#byPairs ? this.#nextPair(chunk, at, lastWindow) : this.#nextSingle(chunk, at, lastWindow)
      if (at > lastWindow) break
      const shift = this.#shiftOf(chunk, at)
      if (shift === 0) return at
      at += shift
    }
    // What begins in the last bytes may go on in the next chunk.
    while (at < chunk.length && ((this.#offsets[chunk[at] ?? 0] ?? 0) & 1) === 0) at += 1
    return at
  }

  /** The first window that ends with a byte of a match. Four at a time: the branches cost more than the bytes. */
  #nextSingle(chunk: Uint8Array, from: number, lastWindow: number): number {
    const offsets = this.#offsets
    const window = this.#window
    let end = from + window - 1
    const lastEnd = lastWindow + window - 1
    for (; end + 3 * window <= lastEnd; end += 4 * window) {
      const near = (offsets[chunk[end] ?? 0] ?? 0) | (offsets[chunk[end + window] ?? 0] ?? 0)
      const far = (offsets[chunk[end + 2 * window] ?? 0] ?? 0) | (offsets[chunk[end + 3 * window] ?? 0] ?? 0)
      if ((near | far) !== 0) break
    }
    while (end <= lastEnd && offsets[chunk[end] ?? 0] === 0) end += window
    return end - window + 1
  }

  /** The first window that ends with two bytes of a match. They may still overlap with one by the second, so it moves by one less. */
  #nextPair(chunk: Uint8Array, from: number, lastWindow: number): number {
    const offsets = this.#offsets
    const last = this.#window - 1
    let end = from + last
    const lastEnd = lastWindow + last
    for (; end + last <= lastEnd; end += 2 * last) {
      const near = ((offsets[chunk[end] ?? 0] ?? 0) >> 1) & (offsets[chunk[end - 1] ?? 0] ?? 0)
      const far = ((offsets[chunk[end + last] ?? 0] ?? 0) >> 1) & (offsets[chunk[end + last - 1] ?? 0] ?? 0)
      if ((near | far) !== 0) break
    }
    while (end <= lastEnd) {
      if ((((offsets[chunk[end] ?? 0] ?? 0) >> 1) & (offsets[chunk[end - 1] ?? 0] ?? 0)) !== 0) break
      end += last
    }
    return end - last
  }

  /** How far the window at `at` may move; 0: a match may begin there. */
  #shiftOf(chunk: Uint8Array, at: number): number {
    let shift = this.#window
    let alive = -1
    for (let index = this.#window - 1; index >= 0; index -= 1) {
      alive = (alive >> 1) & (this.#offsets[chunk[at + index] ?? 0] ?? 0)
      if (alive === 0) return shift
      // What was read is how a match begins.
      if ((alive & 1) === 1) shift = index
    }
    return shift
  }
}

/** What a match may have at each offset, as far as the shortest one goes. */
const levelsOf = (automaton: Automaton): ByteSet[] => {
  const levels: ByteSet[] = []
  let level: ReadonlySet<number> = new Set([...automaton.firstHeld, ...automaton.firstFree])
  while (level.size > 0 && levels.length < MAX_WINDOW) {
    const next = new Set<number>()
    const sets: ByteSet[] = []
    let mayEnd = false
    for (const position of level) {
      sets.push(automaton.sets[position] ?? new Uint8Array(BYTE_VALUES))
      mayEnd ||= automaton.accepts[position] === 1
      for (const each of automaton.follow[position] ?? []) next.add(each)
      for (const each of automaton.opens[position] ?? []) next.add(each)
    }
    levels.push(unionOf(sets))
    if (mayEnd) break
    level = next
  }
  return levels
}

/** A branch that goes the unusual way costs as much as so many bytes looked at. */
const SURPRISE = 12

interface Plan {
  readonly window: number
  readonly byPairs: boolean
}

/**
 * The longer a window, the further it moves; but the more bytes are in it anywhere, the more often it has to be read further. Where
 * a match has any byte at all, the window must end before it. Looking at two bytes costs more, and seldom more than that.
 */
const bestPlan = (levels: readonly ByteSet[]): Plan => {
  const shares = levels.map(shareOf)
  let best: Plan = { window: 0, byPairs: false }
  let bestCost = Number.POSITIVE_INFINITY
  const consider = (plan: Plan, cost: number): void => {
    if (cost >= bestCost) return
    best = plan
    bestCost = cost
  }
  let pairs = 0
  for (let window = 1; window <= levels.length; window += 1) {
    const single = shareOf(unionOf(levels.slice(0, window)))
    consider({ window, byPairs: false }, (1 + (SURPRISE + window) * single) / window)
    if (window === 1) continue
    pairs += (shares[window - 2] ?? 0) * (shares[window - 1] ?? 0)
    consider({ window, byPairs: true }, (2 + (SURPRISE + window) * Math.min(pairs, single)) / (window - 1))
  }
  return best
}

/** How likely a byte is in the set: a third of the bytes are small letters, a third any text, a third may be anything. */
const shareOf = (set: ByteSet): number =>
  (meanOf(set) + meanOf(set.subarray(0x20, 0x7f)) + meanOf(set.subarray(0x61, 0x7b))) / 3

const meanOf = (set: ByteSet): number => set.reduce((sum, member) => sum + member, 0) / set.length
