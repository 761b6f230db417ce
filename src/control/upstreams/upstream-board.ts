/**
 * One upstream's figures in memory that all planes share: how many connections each member has, who waits, who is well.
 *
 *     board = queue                               who waits (queue-board.ts)
 *             counts of member 0, 1, … : 64-bit   connected, failed, refused, reused, spare, unclean, ejected until (ms), last failed at (ms)
 *             member 0, 1, … : 32-bit             open, busy, state, failures, ejections, last failure, its code, then open, busy, idle, resetting of each plane
 *
 * - open: connections to a member, and dials under way, idle ones included; what `maxConnections` limits
 * - busy: those that serve a client, or are dialled for one; what balancing goes by
 */

import type { Availability } from '../../core/health/availability.js'
import type { PassiveState } from '../../core/health/passive.js'
import { takeBelow } from '../take-below.js'
import { type FailureCode, failureOfNumber, numberOfFailure } from './failure-code.js'
import { QueueBoard } from './queue-board.js'

/** An upstream's addresses, all that its names have together; more are left out, with a line in the log. */
export const MAX_MEMBERS = 256

const OPEN = 0
const BUSY = 1
const STATE = 2
const FAILURES = 3
const EJECTIONS = 4
/** What the last failure was: 0 a dial, 1 a connection that was reset without a word. */
const LAST_FAILURE = 5
const FAILURE_CODE = 6
const MEMBER_WORDS = 7

const PLANE_OPEN = 0
const PLANE_BUSY = 1
const PLANE_IDLE = 2
const PLANE_RESETTING = 3
const PLANE_WORDS = 4

/** Bits of a member's state. */
const EJECTED = 1
const DOWN = 2

const COUNT_NAMES = ['connected', 'failed', 'refused', 'reused', 'spare', 'unclean'] as const
const UNTIL = COUNT_NAMES.length
const FAILED_AT = UNTIL + 1
const COUNTS = UNTIL + 2

/**
 * `connected`: dials that succeeded; `failed`: those that did not. `refused`: connections that the upstream reset without having said
 * a word. `reused`: clients that got a connection another one had
 * left; `spare`: one that was dialled ahead. `unclean`: taken back, and closed since it was not proven clean.
 */
export type MemberCount = (typeof COUNT_NAMES)[number]
export type MemberCounts = Readonly<Record<MemberCount, number>>

const COUNT_AT: MemberCounts = {
  connected: 0,
  failed: 1,
  refused: 2,
  reused: 3,
  spare: 4,
  unclean: 5,
}

export interface LastFailure {
  readonly code: FailureCode
  /** How long ago it was, ms. */
  readonly ageMs: number
}

export class UpstreamBoard {
  readonly buffer: SharedArrayBuffer
  readonly planes: number
  readonly queue: QueueBoard
  readonly #counts: BigInt64Array<SharedArrayBuffer>
  readonly #words: Int32Array<SharedArrayBuffer>
  readonly #memberWords: number

  /** `buffer`: of a board that another thread has made. */
  constructor(planes: number, buffer?: SharedArrayBuffer) {
    this.planes = planes
    this.#memberWords = MEMBER_WORDS + planes * PLANE_WORDS
    const countBytes = MAX_MEMBERS * COUNTS * BigInt64Array.BYTES_PER_ELEMENT
    const words = MAX_MEMBERS * this.#memberWords
    const countsAt = QueueBoard.bytes(planes)
    const wordsAt = countsAt + countBytes
    this.buffer = buffer ?? new SharedArrayBuffer(wordsAt + words * Int32Array.BYTES_PER_ELEMENT)
    this.queue = new QueueBoard(planes, this.buffer)
    this.#counts = new BigInt64Array(this.buffer, countsAt, MAX_MEMBERS * COUNTS)
    this.#words = new Int32Array(this.buffer, wordsAt, words)
  }

  // Connections

  /** Takes a place for one more connection; false when `max` (0: no limit) are open. */
  takePlace(plane: number, slot: number, max: number): boolean {
    const at = this.#at(slot)
    if (max === 0) Atomics.add(this.#words, at + OPEN, 1)
    else if (!takeBelow(this.#words, at + OPEN, max)) return false
    Atomics.add(this.#words, this.#planeAt(slot, plane) + PLANE_OPEN, 1)
    return true
  }

  givePlace(plane: number, slot: number): void {
    Atomics.sub(this.#words, this.#planeAt(slot, plane) + PLANE_OPEN, 1)
    Atomics.sub(this.#words, this.#at(slot) + OPEN, 1)
  }

  addBusy(plane: number, slot: number, more: 1 | -1): void {
    Atomics.add(this.#words, this.#planeAt(slot, plane) + PLANE_BUSY, more)
    Atomics.add(this.#words, this.#at(slot) + BUSY, more)
  }

  setIdle(plane: number, slot: number, idle: number): void {
    Atomics.store(this.#words, this.#planeAt(slot, plane) + PLANE_IDLE, idle)
  }

  /** A connection that was taken back is being proven clean, or no more. */
  addResetting(plane: number, slot: number, more: 1 | -1): void {
    Atomics.add(this.#words, this.#planeAt(slot, plane) + PLANE_RESETTING, more)
  }

  resetting(slot: number): number {
    let resetting = 0
    for (let plane = 0; plane < this.planes; plane++)
      resetting += Atomics.load(this.#words, this.#planeAt(slot, plane) + PLANE_RESETTING)
    return resetting
  }

  open(slot: number): number {
    return Atomics.load(this.#words, this.#at(slot) + OPEN)
  }

  busy(slot: number): number {
    return Atomics.load(this.#words, this.#at(slot) + BUSY)
  }

  idle(slot: number): number {
    let idle = 0
    for (let plane = 0; plane < this.planes; plane++)
      idle += Atomics.load(this.#words, this.#planeAt(slot, plane) + PLANE_IDLE)
    return idle
  }

  idleElsewhere(plane: number, slot: number): number {
    return this.idle(slot) - Atomics.load(this.#words, this.#planeAt(slot, plane) + PLANE_IDLE)
  }

  count(slot: number, what: MemberCount): void {
    Atomics.add(this.#counts, slot * COUNTS + COUNT_AT[what], 1n)
  }

  counts(slot: number): MemberCounts {
    const countOf = (what: MemberCount): number =>
      Number(Atomics.load(this.#counts, slot * COUNTS + COUNT_AT[what]))
    return {
      connected: countOf('connected'),
      failed: countOf('failed'),
      refused: countOf('refused'),
      reused: countOf('reused'),
      spare: countOf('spare'),
      unclean: countOf('unclean'),
    }
  }

  // Health

  /** Whether nothing is known against it: the common case, told by one word. */
  isUp(slot: number): boolean {
    return Atomics.load(this.#words, this.#at(slot) + STATE) === 0
  }

  /** `now`: by `processNow`. An ejection that is over counts as up: the next client tries. */
  state(slot: number, now: number): Availability {
    const state = Atomics.load(this.#words, this.#at(slot) + STATE)
    if ((state & DOWN) !== 0) return 'down'
    return (state & EJECTED) !== 0 && now < this.#until(slot) ? 'ejected' : 'up'
  }

  setDown(slot: number, isDown: boolean): void {
    if (isDown) Atomics.or(this.#words, this.#at(slot) + STATE, DOWN)
    else Atomics.and(this.#words, this.#at(slot) + STATE, ~DOWN)
  }

  /** `now`: by `processNow`. Code and time are not written as one: a reader between two failures may mix them. */
  noteFailure(slot: number, code: FailureCode, now: number): void {
    Atomics.store(this.#counts, slot * COUNTS + FAILED_AT, BigInt(Math.round(now)))
    Atomics.store(this.#words, this.#at(slot) + FAILURE_CODE, numberOfFailure(code))
  }

  /** Null when nothing has failed yet. */
  lastFailure(slot: number, now: number): LastFailure | null {
    const code = failureOfNumber(Atomics.load(this.#words, this.#at(slot) + FAILURE_CODE))
    if (code === null) return null
    const at = Number(Atomics.load(this.#counts, slot * COUNTS + FAILED_AT))
    return { code, ageMs: Math.max(0, Math.round(now) - at) }
  }

  /** `isRefusal`: a dial alone does not show that it works again. Returns how many there were before. */
  addFailure(slot: number, isRefusal: boolean): number {
    const at = this.#at(slot)
    Atomics.store(this.#words, at + LAST_FAILURE, isRefusal ? 1 : 0)
    return Atomics.add(this.#words, at + FAILURES, 1)
  }

  hasNoFailures(slot: number): boolean {
    return Atomics.load(this.#words, this.#at(slot) + FAILURES) === 0
  }

  lastWasRefusal(slot: number): boolean {
    return Atomics.load(this.#words, this.#at(slot) + LAST_FAILURE) === 1
  }

  /** Until when it is left out, by `processNow`; 0: it is not. */
  ejectedUntil(slot: number): number {
    const isEjected = (Atomics.load(this.#words, this.#at(slot) + STATE) & EJECTED) !== 0
    return isEjected ? this.#until(slot) : 0
  }

  /** As it is, or nearly: other threads may be at it. */
  passive(slot: number): PassiveState {
    const at = this.#at(slot)
    return {
      failures: Atomics.load(this.#words, at + FAILURES),
      ejections: Atomics.load(this.#words, at + EJECTIONS),
      ejectedUntil: this.#until(slot),
    }
  }

  /** False when another thread was first. */
  eject(slot: number, before: PassiveState, { ejections, ejectedUntil }: PassiveState): boolean {
    const [was, is] = [BigInt(before.ejectedUntil), BigInt(ejectedUntil)]
    if (Atomics.compareExchange(this.#counts, slot * COUNTS + UNTIL, was, is) !== was) return false
    const at = this.#at(slot)
    Atomics.store(this.#words, at + EJECTIONS, ejections)
    Atomics.or(this.#words, at + STATE, EJECTED)
    if (Atomics.load(this.#counts, slot * COUNTS + UNTIL) === is) return true
    // It has worked meanwhile, and whoever saw that could not know of this.
    this.clearFailures(slot)
    return false
  }

  /** It works. True when it had been ejected. */
  clearFailures(slot: number): boolean {
    const at = this.#at(slot)
    Atomics.store(this.#words, at + FAILURES, 0)
    Atomics.store(this.#words, at + EJECTIONS, 0)
    // Or the next failure would count for nothing, as one during the ejection.
    Atomics.store(this.#counts, slot * COUNTS + UNTIL, 0n)
    return (Atomics.and(this.#words, at + STATE, ~EJECTED) & EJECTED) !== 0
  }

  // Planes and members that come and go

  /** Another member has the slot from now on. Nobody may have a connection there. */
  clear(slot: number): void {
    const at = this.#at(slot)
    for (let word = at; word < at + this.#memberWords; word++) Atomics.store(this.#words, word, 0)
    for (let count = slot * COUNTS; count < (slot + 1) * COUNTS; count++)
      Atomics.store(this.#counts, count, 0n)
  }

  /** Gives back what a plane had that is no more. */
  forget(plane: number): void {
    this.queue.forget(plane)
    for (let slot = 0; slot < MAX_MEMBERS; slot++) {
      const at = this.#planeAt(slot, plane)
      Atomics.sub(this.#words, this.#at(slot) + OPEN, Atomics.exchange(this.#words, at + PLANE_OPEN, 0))
      Atomics.sub(this.#words, this.#at(slot) + BUSY, Atomics.exchange(this.#words, at + PLANE_BUSY, 0))
      Atomics.store(this.#words, at + PLANE_IDLE, 0)
      Atomics.store(this.#words, at + PLANE_RESETTING, 0)
    }
  }

  #until(slot: number): number {
    return Number(Atomics.load(this.#counts, slot * COUNTS + UNTIL))
  }

  #at(slot: number): number {
    return slot * this.#memberWords
  }

  #planeAt(slot: number, plane: number): number {
    return this.#at(slot) + MEMBER_WORDS + plane * PLANE_WORDS
  }
}
