/**
 * One stream on its way through a redaction. Positions are counted from the start of the chunk at hand, so bytes that are held from earlier chunks have
 * negative ones.
 *
 * The registers are where the candidates of each group of the state began, or where their last match ended if that is later. They
 * ascend, so all before register 0 is decided, and the byte at it never is.
 */

import { Held } from './held.js'
import type { Ranges } from './ranges.js'
import type { RedactOut, RedactStream } from './redaction.js'
import type { Skipper } from './skip.js'
import { KIND_COVER, kindOf, payloadOf, ROOT, type State, type States, UNKNOWN } from './states.js'

/** An undecided candidate may be so long and no longer: then all of it is masked, and it goes on as if it had matched. */
export const MAX_HELD = 65_536

/** What all streams of a redaction share. Its chunk is over before the next stream's begins, so one of each will do. */
export interface Shared {
  readonly states: States
  readonly skipper: Skipper
  readonly ranges: Ranges
  readonly maskByte: number
  /** Some masked bytes, to give out. */
  readonly masked: Uint8Array
}

export class ByteStream implements RedactStream {
  readonly #shared: Shared
  readonly #held = new Held()
  #state: State
  /** The registers. An array that grows by itself: most streams never need one, and few more than two. */
  readonly #starts: number[] = []
  /** Of the chunk at hand, where what was given out ends. */
  #given = 0

  constructor(shared: Shared) {
    this.#shared = shared
    this.#state = shared.states.root
  }

  get held(): number {
    return this.#held.length
  }

  push(chunk: Uint8Array, out: RedactOut): void {
    const { states, ranges } = this.#shared
    const length = chunk.length
    ranges.count = 0
    this.#given = -this.#held.length
    const row = this.#run(chunk, out)
    const groups = states.groupsOf(row)
    this.#state = states.stateOf(row)
    const decided = groups > 0 ? this.#startOf(0) : length
    this.#give(chunk, decided, out)
    if (decided < length) this.#hold(chunk, Math.max(decided, 0))
    for (let group = 0; group < groups; group += 1) this.#starts[group] = this.#startOf(group) - length
  }

  end(out: RedactOut): void {
    this.#state = this.#shared.states.root
    this.#held.give(this.#held.length, out)
  }

  /** Takes the chunk, notes its matches, and returns the row of the state after it. */
  #run(chunk: Uint8Array, out: RedactOut): number {
    const { states, skipper } = this.#shared
    const { classOf } = states
    const length = chunk.length
    let row = states.rowOf(this.#state)
    let at = 0
    for (;;) {
      if (row === ROOT) at = skipper.next(chunk, at)
      let stop = at + MAX_HELD + 1
      if (row !== ROOT && states.groupsOf(row) > 0) {
        if (at - this.#startOf(0) > MAX_HELD) {
          this.#mark(this.#startOf(0), at)
          row = states.merged(row)
          this.#starts[0] = at
        }
        stop = this.#startOf(0) + MAX_HELD + 1
      }
      if (at >= length) return row
      if (stop > length) stop = length
      const { table } = states
      let entry = row
      while (at < stop) {
        entry = table[row + (classOf[chunk[at] ?? 0] ?? 0)] ?? ROOT
        if (entry <= 0) break
        row = entry
        at += 1
      }
      if (at === stop) continue
      if (entry === ROOT) {
        row = ROOT
        at += 1
      } else if (entry === UNKNOWN) {
        row = states.learn(row, chunk[at] ?? 0)
      } else if (kindOf(entry) === KIND_COVER) {
        const from = states.groupsOf(row) > 0 ? this.#startOf(0) : at
        do {
          row = payloadOf(entry)
          at += 1
          // Most secrets are one set of bytes again and again.
          while (at < length && table[row + (classOf[chunk[at] ?? 0] ?? 0)] === entry) at += 1
          if (at === length) break
          entry = table[row + (classOf[chunk[at] ?? 0] ?? 0)] ?? ROOT
        } while (entry < UNKNOWN && kindOf(entry) === KIND_COVER)
        this.#starts[0] = at
        this.#found(from, at, row, chunk, out)
      } else {
        row = this.#act(payloadOf(entry), at, chunk, out)
        at += 1
      }
    }
  }

  /** What the byte at `at` does beyond going to another state. Returns that state's row. */
  #act(index: number, at: number, chunk: Uint8Array, out: RedactOut): number {
    const action = this.#shared.states.actions[index]
    if (action === undefined) throw new RangeError(`no action ${index}`)
    const { kept, begins, accepts, next } = action
    const starts = this.#starts
    for (let group = 0; group < kept.length; group += 1) starts[group] = starts[kept[group] ?? 0] ?? 0
    if (begins) starts[kept.length] = at
    if (accepts >= 0) {
      const from = this.#startOf(accepts)
      starts[accepts] = at + 1
      this.#found(from, at + 1, next, chunk, out)
    }
    return next
  }

  #startOf(group: number): number {
    return this.#starts[group] ?? 0
  }

  /** Marks a match, in the state at `row` after it, and makes room for the next one. */
  #found(from: number, to: number, row: number, chunk: Uint8Array, out: RedactOut): void {
    this.#mark(from, to)
    if (!this.#shared.ranges.isFull) return
    this.#give(chunk, this.#shared.states.groupsOf(row) > 0 ? this.#startOf(0) : to, out)
  }

  #mark(from: number, to: number): void {
    const held = this.#held.length
    if (from < 0) this.#held.mask(from + held, Math.min(to, 0) + held, this.#shared.maskByte)
    if (to > 0) this.#shared.ranges.add(Math.max(from, 0), to)
  }

  /** Gives out what lies before `decided`. No range reaches over it: the byte there is undecided. */
  #give(chunk: Uint8Array, decided: number, out: RedactOut): void {
    const { ranges } = this.#shared
    if (this.#given < 0) {
      const end = Math.min(decided, 0)
      this.#held.give(end - this.#given, out)
      this.#given = end
    }
    let index = 0
    for (; index < ranges.count && ranges.fromOf(index) < decided; index += 1) {
      const from = ranges.fromOf(index)
      if (from > this.#given) out(chunk, this.#given, from)
      this.#given = ranges.toOf(index)
      this.#giveMasked(this.#given - from, out)
    }
    if (index > 0) ranges.drop(index)
    if (this.#given < decided) {
      out(chunk, this.#given, decided)
      this.#given = decided
    }
  }

  #giveMasked(count: number, out: RedactOut): void {
    const { masked } = this.#shared
    for (let left = count; left > 0; left -= masked.length) out(masked, 0, Math.min(left, masked.length))
  }

  /** Keeps the chunk from `from` on, with the matches that are left in it masked. */
  #hold(chunk: Uint8Array, from: number): void {
    const { ranges, maskByte } = this.#shared
    const before = this.#held.length
    this.#held.append(chunk, from, chunk.length)
    for (let index = 0; index < ranges.count; index += 1) {
      this.#held.mask(ranges.fromOf(index) - from + before, ranges.toOf(index) - from + before, maskByte)
    }
  }
}
