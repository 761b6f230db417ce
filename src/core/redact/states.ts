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
import { NONE, type StateKey, Step } from './step.js'

export interface State extends StateKey {
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

/** 4 MiB of table, 4 MiB of keys, some 10 MiB of actions: beyond any of it everything is forgotten and learnt anew. */
const MAX_ENTRIES = 1_048_576
const MAX_KEY_LENGTH = 1_048_576
const MAX_ACTIONS = 65_536
const FIRST_ROWS = 16

export class States {
  readonly classOf: Uint8Array
  table: Int32Array
  actions: Action[] = []
  generation = 0
  readonly #width: number
  readonly #shift: number
  /** A byte of each class. */
  readonly #example: Uint8Array
  #states: State[] = []
  readonly #byHash = new Map<number, State>()
  #keyLength = 0
  readonly #maxKeyLength: number
  /** The next state while it is made. */
  readonly #step: Step

  /** @param maxKeyLength So much of all keys together is remembered. */
  constructor(automaton: Automaton, maxKeyLength: number = MAX_KEY_LENGTH) {
    this.#maxKeyLength = maxKeyLength
    this.#step = new Step(automaton)
    const { classOf, count } = classesOf(automaton.sets)
    this.classOf = classOf
    this.#shift = Math.ceil(Math.log2(Math.max(count, 1)))
    this.#width = 1 << this.#shift
    this.#example = new Uint8Array(this.#width)
    for (let byte = 0; byte < BYTE_VALUES; byte += 1) this.#example[classOf[byte] ?? 0] = byte
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
    this.#step.same(state)
    return this.#intern()
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
    this.#step.take(state, this.#example[kind] ?? 0)
    const entry = this.#entryFor(state, this.#intern())
    this.table[from + kind] = entry
    return from
  }

  /** The state in which all groups of the one at `row` are one. Rows from before may be void after it. */
  merged(row: number): number {
    const state = this.stateOf(row)
    this.#makeRoom()
    this.#step.merge(state)
    return this.#intern()
  }

  /** What the table says of the step just taken. */
  #entryFor(state: State, next: number): number {
    const { kept, begins, accepts } = this.#step
    const inPlace = kept.every((group, index) => group === index)
    if (accepts === NONE && !begins && inPlace) return next
    const coversFromFirst = accepts === 0 && (state.groups === 0 || kept[0] === 0)
    if (coversFromFirst) return entryOf(next, KIND_COVER)
    this.actions.push({ next, kept: Int32Array.from(kept), begins, accepts })
    return entryOf(this.actions.length - 1, KIND_ACTION)
  }

  /** The row of the state whose key was made. */
  #intern(): number {
    const { key, length, groups } = this.#step
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
    const isFull = entries > MAX_ENTRIES || this.#keyLength > this.#maxKeyLength
    if (isFull || this.actions.length >= MAX_ACTIONS) this.#forget()
  }

  #forget(): void {
    this.generation += 1
    this.#states = []
    this.actions = []
    this.#byHash.clear()
    this.#keyLength = 0
    this.#step.root()
    this.#intern()
  }
}

const isSame = (key: Int32Array, other: Int32Array, length: number): boolean => {
  if (key.length !== length) return false
  for (let index = 0; index < length; index += 1) if (key[index] !== other[index]) return false
  return true
}
