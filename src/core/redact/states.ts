/**
 * The automaton made deterministic, state by state as the input asks for them, and remembered. A state is a set of live positions, divided
 * into _groups_ by where their candidates began:
 *
 *   free | group 0 | group 1 | …
 *
 * Group 0 is of the earliest start. A position is only in the earliest group that has it, since a match from there covers what one from a later start would.
 * The starts themselves are not in the state but in the stream's registers, one per group; a transition says how the
 * registers move. When a group accepts, all from its start to here is masked, so for whatever lives on in it and in later
 * groups only what comes from now on is open: they become one group that starts here. That keeps states few.
 */

import type { Automaton } from './automaton.js'
import { BYTE_VALUES, classesOf } from './byte-set.js'

/** Live positions, in the order above, each part ascending and ended by {@link END}. */
export interface State {
  readonly key: Int32Array
  readonly groups: number
  /** Row of the table, times its width; means nothing unless `generation` is the table's. */
  readonly row: number
  readonly generation: number
  /** The next state with the same hash. */
  readonly chained: State | undefined
}

/** A step that does more than go to another state: registers move, bytes are found to match. */
export interface Action {
  readonly next: number
  /** Groups that live on, ascending: register k is to be what register `kept[k]` was. */
  readonly kept: Int32Array
  /** The byte that was taken begins a group of its own, after those that are kept. */
  readonly begins: boolean
  /** The group that has a match now, of those kept and begun; -1 for none. It and later groups are one from here on. */
  readonly accepts: number
}

/** The state in which nothing is alive. */
export const ROOT = 0

/*
 * An entry of the table. Positive: go to that row, nothing else to do. 0: nothing is alive any more. Negative: UNKNOWN, or 2 × payload + kind
 * below it.
 */
export const UNKNOWN = -1
/** Payload: the next row. Masks from register 0 (or this byte, if there is no group) to this byte; group 0, if alive, starts after it. */
export const KIND_COVER = 0
/** Payload: an index into `actions`. */
export const KIND_ACTION = 1
export const kindOf = (entry: number): number => (-2 - entry) & 1
export const payloadOf = (entry: number): number => (-2 - entry) >> 1
const entryOf = (payload: number, kind: number): number => -2 - (2 * payload + kind)

const END = -1
/** Stands last in the key if the last group starts where the state is: what begins with the next byte belongs to it. */
const FRESH = -2
const NONE = -1
/** 4 MiB of table, 4 MiB of keys: beyond it everything is forgotten and learnt anew. */
const MAX_ENTRIES = 1_048_576
const MAX_KEY_LENGTH = 1_048_576
const FIRST_ROWS = 16

export class States {
  readonly classOf: Uint8Array
  table: Int32Array
  actions: Action[] = []
  generation = 0
  readonly #automaton: Automaton
  readonly #width: number
  readonly #shift: number
  /** A byte of each class. */
  readonly #example: Uint8Array
  #states: State[] = []
  readonly #byHash = new Map<number, State>()
  #keyLength = 0
  /** The next state's key while it is made: never longer than all positions, each once, an END for each, and FRESH. */
  readonly #key: Int32Array
  #length = 0
  /** The step in which a position was last taken into the key. */
  readonly #taken: Int32Array
  #step = 0

  constructor(automaton: Automaton) {
    this.#automaton = automaton
    const { classOf, count } = classesOf(automaton.sets)
    this.classOf = classOf
    this.#shift = Math.ceil(Math.log2(Math.max(count, 1)))
    this.#width = 1 << this.#shift
    this.#example = new Uint8Array(this.#width)
    for (let byte = 0; byte < BYTE_VALUES; byte += 1) this.#example[classOf[byte] ?? 0] = byte
    this.#key = new Int32Array(2 * automaton.sets.length + 4)
    this.#taken = new Int32Array(automaton.sets.length)
    this.table = new Int32Array(FIRST_ROWS * this.#width)
    this.#forget()
  }

  get root(): State {
    return this.stateOf(ROOT)
  }

  stateOf(row: number): State {
    const state = this.#states[row >> this.#shift]
    if (state === undefined) throw new RangeError(`no state at ${row}`)
    return state
  }

  groupsOf(row: number): number {
    return this.stateOf(row).groups
  }

  /** The row of a state that may be of an earlier generation. */
  rowOf(state: State): number {
    if (state.generation === this.generation) return state.row
    this.#makeRoom()
    this.#key.set(state.key)
    this.#length = state.key.length
    return this.#intern(state.groups)
  }

  /**
   * Fills in what `byte` does in the state at `row`. Returns that state's row, which is another one if the table was full: all rows from
   * before are void then.
   */
  learn(row: number, byte: number): number {
    const state = this.stateOf(row)
    this.#makeRoom()
    const from = this.rowOf(state)
    const kind = this.classOf[byte] ?? 0
    this.table[from + kind] = this.#transition(state, this.#example[kind] ?? 0)
    return from
  }

  /** The state in which all groups of the one at `row` are one. Rows from before may be void after it. */
  merged(row: number): number {
    const state = this.stateOf(row)
    this.#makeRoom()
    const groupsFrom = state.key.indexOf(END) + 1
    const grouped = state.key.subarray(groupsFrom).filter((position) => position >= 0)
    this.#key.set(state.key.subarray(0, groupsFrom))
    this.#key.set(grouped.sort(), groupsFrom)
    this.#length = groupsFrom + grouped.length
    this.#key[this.#length++] = END
    this.#key[this.#length++] = FRESH
    return this.#intern(1)
  }

  #transition(state: State, byte: number): number {
    const { key } = state
    this.#step += 1
    this.#length = 0
    let at = this.#stepFree(key, byte)
    let groups = 0
    let accepts = NONE
    let begins = false
    const kept: number[] = []
    const isFresh = key[key.length - 1] === FRESH
    // Beginnings are a group of their own, unless the last group starts right here too.
    const candidates = isFresh ? state.groups : state.groups + 1
    for (let group = 0; group < candidates; group += 1) {
      const from = this.#length
      let accepted = false
      if (group < state.groups) {
        for (; key[at] !== END; at += 1) accepted = this.#take(this.#followOf(key[at]), byte) || accepted
        at += 1
      }
      if (group === candidates - 1) accepted = this.#takeBeginnings(key, byte) || accepted
      // Until a group accepts they are apart; what comes after it is the same group.
      if (accepts !== NONE || (this.#length === from && !accepted)) continue
      if (group < state.groups) kept.push(group)
      else begins = true
      if (accepted) accepts = groups
      else this.#close(from)
      groups += 1
    }
    if (accepts !== NONE) groups = this.#closeAccepted(accepts)
    return this.#entry(state, this.#intern(groups), kept, begins, accepts)
  }

  /** The last group, gathered from all that accepted or came after, sorted. Returns the number of groups. */
  #closeAccepted(accepts: number): number {
    const from = this.#key.lastIndexOf(END, this.#length - 1) + 1
    if (from === this.#length) return accepts
    this.#close(from)
    this.#key[this.#length++] = FRESH
    return accepts + 1
  }

  #close(from: number): void {
    sortPart(this.#key, from, this.#length)
    this.#key[this.#length++] = END
  }

  #stepFree(key: Int32Array, byte: number): number {
    let at = 0
    for (; key[at] !== END; at += 1) this.#take(this.#followOf(key[at]), byte)
    this.#take(this.#automaton.firstFree, byte)
    this.#close(0)
    return at + 1
  }

  #takeBeginnings(key: Int32Array, byte: number): boolean {
    let accepted = this.#take(this.#automaton.firstHeld, byte)
    for (let at = 0; key[at] !== END; at += 1) {
      const opens = this.#automaton.opens[key[at] ?? 0]
      if (opens !== undefined) accepted = this.#take(opens, byte) || accepted
    }
    return accepted
  }

  #followOf(position: number | undefined): Int32Array {
    const follow = this.#automaton.follow[position ?? NONE]
    if (follow === undefined) throw new RangeError(`no position ${position}`)
    return follow
  }

  /** Goes to those of `positions` that take `byte`. Returns whether a match ends there. What leads no further is not kept. */
  #take(positions: Int32Array, byte: number): boolean {
    const { sets, alike, accepts } = this.#automaton
    let accepted = false
    for (let index = 0; index < positions.length; index += 1) {
      const position = positions[index] ?? 0
      if (sets[position]?.[byte] !== 1) continue
      if (accepts[position] === 1) accepted = true
      const same = alike[position] ?? NONE
      if (same === NONE || this.#taken[same] === this.#step) continue
      this.#taken[same] = this.#step
      this.#key[this.#length++] = same
    }
    return accepted
  }

  #entry(state: State, next: number, kept: readonly number[], begins: boolean, accepts: number): number {
    const inPlace = kept.every((group, index) => group === index)
    if (accepts === NONE && !begins && inPlace) return next
    const coversFromFirst = accepts === 0 && (state.groups === 0 || kept[0] === 0)
    if (coversFromFirst) return entryOf(next, KIND_COVER)
    this.actions.push({ next, kept: Int32Array.from(kept), begins, accepts })
    return entryOf(this.actions.length - 1, KIND_ACTION)
  }

  /** The row of the state whose key was made. */
  #intern(groups: number): number {
    const key = this.#key
    const length = this.#length
    let hash = 0x811c9dc5
    for (let index = 0; index < length; index += 1) hash = Math.imul(hash ^ (key[index] ?? 0), 0x01000193)
    const chained = this.#byHash.get(hash)
    for (let state = chained; state !== undefined; state = state.chained) {
      if (isSame(state.key, key, length)) return state.row
    }
    const row = this.#states.length << this.#shift
    if (row === this.table.length) {
      const larger = new Int32Array(2 * this.table.length)
      larger.set(this.table)
      this.table = larger
    }
    this.table.fill(UNKNOWN, row, row + this.#width)
    const state: State = { key: key.slice(0, length), groups, row, generation: this.generation, chained }
    this.#states.push(state)
    this.#byHash.set(hash, state)
    this.#keyLength += length
    return row
  }

  /** Before states are made, so that none that is being worked with is forgotten. */
  #makeRoom(): void {
    // Room for two: the state it is about, and the next.
    const entries = (this.#states.length + 2) << this.#shift
    if (entries > MAX_ENTRIES || this.#keyLength > MAX_KEY_LENGTH) this.#forget()
  }

  #forget(): void {
    this.generation += 1
    this.#states = []
    this.actions = []
    this.#byHash.clear()
    this.#keyLength = 0
    this.#key[0] = END
    this.#length = 1
    this.#intern(0)
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

const isSame = (key: Int32Array, other: Int32Array, length: number): boolean => {
  if (key.length !== length) return false
  for (let index = 0; index < length; index += 1) if (key[index] !== other[index]) return false
  return true
}
