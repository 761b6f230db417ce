/**
 * One step of the deterministic automaton: from a state and a byte to the next state's key, and to what becomes of the groups. The
 * theory is in states.ts.
 */

import type { Automaton } from './automaton.js'

/**
 * Live positions, each part ascending and ended by {@link END}: the free ones, then each group's. {@link FRESH} stands last if the
 * last group starts where the state is: what begins with the next byte belongs to it.
 */
export interface StateKey {
  readonly key: Int32Array
  readonly groups: number
}

export const END = -1
const FRESH = -2
/** Where a number of a position or a group is expected: there is none. */
export const NONE = -1

export class Step {
  /** The next state's: `key[0, length)`. Never longer than all positions, each once, an END for each, and FRESH. */
  readonly key: Int32Array
  length = 0
  groups = 0
  /** Groups that live on, ascending. */
  kept: readonly number[] = []
  /** Whether the byte begins a group of its own, after those. */
  begins = false
  /** Which of those kept and begun has a match now. It and later ones are one group from here on. */
  accepts = NONE
  readonly #automaton: Automaton
  /** The step in which a position was last taken into the key. */
  readonly #taken: Int32Array
  #step = 0

  constructor(automaton: Automaton) {
    this.#automaton = automaton
    this.key = new Int32Array(2 * automaton.sets.length + 4)
    this.#taken = new Int32Array(automaton.sets.length)
  }

  /** Sets the key to that of the state in which nothing is alive. */
  root(): void {
    this.key[0] = END
    this.length = 1
    this.groups = 0
  }

  same(state: StateKey): void {
    this.key.set(state.key)
    this.length = state.key.length
    this.groups = state.groups
  }

  /** All groups one, which starts here. */
  merge(state: StateKey): void {
    const groupsFrom = state.key.indexOf(END) + 1
    const grouped = state.key.subarray(groupsFrom).filter((position) => position >= 0)
    this.key.set(state.key.subarray(0, groupsFrom))
    this.key.set(grouped, groupsFrom)
    this.length = groupsFrom + grouped.length
    this.#close(groupsFrom)
    this.key[this.length++] = FRESH
    this.groups = 1
  }

  /** Sets the fields to what `byte` makes of a state. */
  take(state: StateKey, byte: number): void {
    const { key } = state
    this.#step += 1
    this.length = 0
    let at = this.#stepFree(key, byte)
    let groups = 0
    let accepts = NONE
    let begins = false
    const kept: number[] = []
    const isFresh = key[key.length - 1] === FRESH
    // Beginnings are a group of their own, unless the last group starts right here too.
    const candidates = isFresh ? state.groups : state.groups + 1
    for (let group = 0; group < candidates; group += 1) {
      const from = this.length
      let accepted = false
      if (group < state.groups) {
        for (; key[at] !== END; at += 1) accepted = this.#goTo(this.#followOf(key[at]), byte) || accepted
        at += 1
      }
      if (group === candidates - 1) accepted = this.#takeBeginnings(key, byte) || accepted
      // Until a group accepts they are apart; what comes after it is the same group.
      if (accepts !== NONE || (this.length === from && !accepted)) continue
      if (group < state.groups) kept.push(group)
      else begins = true
      if (accepted) accepts = groups
      else this.#close(from)
      groups += 1
    }
    if (accepts !== NONE) groups = this.#closeAccepted(accepts)
    this.groups = groups
    this.kept = kept
    this.begins = begins
    this.accepts = accepts
  }

  /** The last group, gathered from all that accepted or came after, sorted. Returns the number of groups. */
  #closeAccepted(accepts: number): number {
    const from = this.key.lastIndexOf(END, this.length - 1) + 1
    if (from === this.length) return accepts
    this.#close(from)
    this.key[this.length++] = FRESH
    return accepts + 1
  }

  #close(from: number): void {
    sortPart(this.key, from, this.length)
    this.key[this.length++] = END
  }

  #stepFree(key: Int32Array, byte: number): number {
    let at = 0
    for (; key[at] !== END; at += 1) this.#goTo(this.#followOf(key[at]), byte)
    this.#goTo(this.#automaton.firstFree, byte)
    this.#close(0)
    return at + 1
  }

  #takeBeginnings(key: Int32Array, byte: number): boolean {
    let accepted = this.#goTo(this.#automaton.firstHeld, byte)
    for (let at = 0; key[at] !== END; at += 1) {
      const opens = this.#automaton.opens[key[at] ?? 0]
      if (opens !== undefined) accepted = this.#goTo(opens, byte) || accepted
    }
    return accepted
  }

  #followOf(position: number | undefined): Int32Array {
    const follow = this.#automaton.follow[position ?? NONE]
    if (follow === undefined) throw new RangeError(`no position ${position}`)
    return follow
  }

  /** Goes to those of `positions` that take `byte`. Returns whether a match ends there. What leads no further is not kept. */
  #goTo(positions: Int32Array, byte: number): boolean {
    const { sets, alike, accepts } = this.#automaton
    let accepted = false
    for (let index = 0; index < positions.length; index += 1) {
      const position = positions[index] ?? 0
      if (sets[position]?.[byte] !== 1) continue
      if (accepts[position] === 1) accepted = true
      const same = alike[position] ?? NONE
      if (same === NONE || this.#taken[same] === this.#step) continue
      this.#taken[same] = this.#step
      this.key[this.length++] = same
    }
    return accepted
  }
}

/** Up to so many, sorting by hand is faster than a view and a call. Most groups have one or two. */
const FEW = 24

const sortPart = (array: Int32Array, from: number, to: number): void => {
  if (to - from > FEW) {
    array.subarray(from, to).sort()
    return
  }
  for (let end = from + 1; end < to; end += 1) {
    const value = array[end] ?? 0
    let at = end
    for (; at > from && (array[at - 1] ?? 0) > value; at -= 1) array[at] = array[at - 1] ?? 0
    array[at] = value
  }
}
