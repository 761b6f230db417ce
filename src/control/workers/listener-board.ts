/**
 * One listener's figures in memory that all planes share. Each plane counts in a row of its own; the places are
 * taken and given back by all of them from one number, so that a maximum of connections is exact.
 *
 *     board = counts of plane 0, 1, … : 64-bit    accepted, bytes each way, closed by reason
 *             common : 32-bit                     taken, refusing, holding, announced
 *             plane 0, 1, … : 32-bit              taken, standing
 *
 * - standing of a plane: it accepts, it refuses to (there is no place), or it holds clients that wait for one
 * - announced: some plane has said that there is room, and those that wait for that have not been told yet
 *
 * A plane that finds no place puts up its standing first and looks again; one that gives a place back does that first and
 * then looks whether anybody stands: so it is never missed.
 */

import { CLOSE_REASONS, type CloseReason } from '../../core/close-reason.js'
import type { PerDirection } from '../../core/direction.js'
import type { ConnectionCounters } from '../../core/session/record.js'
import type { ListenerBooks } from '../books.js'
import { takeBelow } from '../take-below.js'

const REASONS = Object.keys(CLOSE_REASONS) as readonly CloseReason[]
const REASON_AT = Object.fromEntries(REASONS.map((reason, index) => [reason, index])) as Readonly<
  Record<CloseReason, number>
>

const ACCEPTED = 0
const UPSTREAM_BYTES = 1
const DOWNSTREAM_BYTES = 2
const CLOSED = 3
const COUNTS = CLOSED + REASONS.length

const TAKEN = 0
/** Planes that do not accept, those that hold included. */
const REFUSING = 1
const HOLDING = 2
const ANNOUNCED = 3
const COMMON = 4

const PLANE_TAKEN = 0
const PLANE_STANDING = 1
const PLANE_WORDS = 2

/** Each takes a few microseconds: more than two or three happen in a flood only, and then `active` is a little high. */
const LOOKS = 50

const ACCEPTS = 0
const REFUSES = 1
const HOLDS = 2
type Standing = typeof ACCEPTS | typeof REFUSES | typeof HOLDS

export class ListenerBoard {
  readonly buffer: SharedArrayBuffer
  readonly #planes: number
  readonly #counts: BigInt64Array<SharedArrayBuffer>
  readonly #words: Int32Array<SharedArrayBuffer>

  /** `buffer`: of a board that another thread has made. */
  constructor(planes: number, buffer?: SharedArrayBuffer) {
    const countBytes = planes * COUNTS * BigInt64Array.BYTES_PER_ELEMENT
    const words = COMMON + planes * PLANE_WORDS
    this.#planes = planes
    this.buffer = buffer ?? new SharedArrayBuffer(countBytes + words * Int32Array.BYTES_PER_ELEMENT)
    this.#counts = new BigInt64Array(this.buffer, 0, planes * COUNTS)
    this.#words = new Int32Array(this.buffer, countBytes, words)
  }

  /** What `plane` counts with. `onRoom` is called when others wait for a place that it gave back; not again before `clearRoom`. */
  books(plane: number, onRoom: () => void): ListenerBooks {
    return new BoardBooks(this, plane, onRoom)
  }

  /** A connection's end, as `plane` counts it. */
  countClosed(plane: number, reason: CloseReason, bytes: PerDirection<number>): void {
    const row = plane * COUNTS
    Atomics.add(this.#counts, row + UPSTREAM_BYTES, BigInt(bytes.upstream))
    Atomics.add(this.#counts, row + DOWNSTREAM_BYTES, BigInt(bytes.downstream))
    Atomics.add(this.#counts, row + CLOSED + REASON_AT[reason], 1n)
  }

  countAccepted(plane: number): void {
    Atomics.add(this.#counts, plane * COUNTS + ACCEPTED, 1n)
  }

  take(plane: number, max: number): boolean {
    if (max === 0) Atomics.add(this.#words, TAKEN, 1)
    else if (!takeBelow(this.#words, TAKEN, max)) return false
    Atomics.add(this.#words, this.#at(plane, PLANE_TAKEN), 1)
    return true
  }

  give(plane: number): void {
    Atomics.sub(this.#words, this.#at(plane, PLANE_TAKEN), 1)
    Atomics.sub(this.#words, TAKEN, 1)
  }

  /** A place goes along with a connection that moves. */
  move(from: number, to: number): void {
    Atomics.add(this.#words, this.#at(to, PLANE_TAKEN), 1)
    Atomics.sub(this.#words, this.#at(from, PLANE_TAKEN), 1)
  }

  /** Whether `plane` may accept while fewer than `pauseAt` places are taken. Who holds clients comes before who holds none. */
  mayAccept(plane: number, pauseAt: number, holds: boolean): boolean {
    if (!this.#hasRoom(pauseAt, holds)) {
      this.#stand(plane, holds ? HOLDS : REFUSES)
      if (!this.#hasRoom(pauseAt, holds)) return false
    }
    this.#stand(plane, ACCEPTS)
    return true
  }

  /** Whether another plane than this one waits for room. */
  othersWait(plane: number): boolean {
    const own = this.#standingOf(plane) === ACCEPTS ? 0 : 1
    return Atomics.load(this.#words, REFUSING) > own
  }

  /** True for the first that says so. */
  announceRoom(): boolean {
    return Atomics.exchange(this.#words, ANNOUNCED, 1) === 0
  }

  /** The planes to be told that there may be room; what is announced from here on is announced again. */
  clearRoom(): readonly number[] {
    Atomics.store(this.#words, ANNOUNCED, 0)
    return Array.from({ length: this.#planes }, (_, plane) => plane).filter(
      (plane) => this.#standingOf(plane) !== ACCEPTS,
    )
  }

  /** Gives back what a plane had taken that is no more. Its counts stay. */
  forget(plane: number): void {
    const taken = Atomics.exchange(this.#words, this.#at(plane, PLANE_TAKEN), 0)
    Atomics.sub(this.#words, TAKEN, taken)
    this.#stand(plane, ACCEPTS)
  }

  snapshot(): ConnectionCounters {
    let accepted = this.#sum(ACCEPTED)
    let closed: readonly number[] = []
    // Between two looks that see the same, nobody came, so that `active` was true at a moment in between.
    for (let look = 0; look < LOOKS; look++) {
      const before = accepted
      closed = REASONS.map((_, index) => this.#sum(CLOSED + index))
      accepted = this.#sum(ACCEPTED)
      if (accepted === before) break
    }
    return {
      accepted,
      active: accepted - closed.reduce((sum, count) => sum + count, 0),
      closed: Object.fromEntries(
        REASONS.map((reason, index) => [reason, closed[index] ?? 0] as const).filter(
          ([, count]) => count > 0,
        ),
      ),
      bytes: { upstream: this.#sum(UPSTREAM_BYTES), downstream: this.#sum(DOWNSTREAM_BYTES) },
    }
  }

  #sum(column: number): number {
    let sum = 0
    for (let plane = 0; plane < this.#planes; plane++)
      sum += Number(Atomics.load(this.#counts, plane * COUNTS + column))
    return sum
  }

  #hasRoom(pauseAt: number, holds: boolean): boolean {
    if (pauseAt === 0) return true
    return Atomics.load(this.#words, TAKEN) < pauseAt && (holds || Atomics.load(this.#words, HOLDING) === 0)
  }

  #stand(plane: number, standing: Standing): void {
    const before = Atomics.exchange(this.#words, this.#at(plane, PLANE_STANDING), standing)
    if (before === standing) return
    const refusing = (standing === ACCEPTS ? 0 : 1) - (before === ACCEPTS ? 0 : 1)
    const holding = (standing === HOLDS ? 1 : 0) - (before === HOLDS ? 1 : 0)
    Atomics.add(this.#words, REFUSING, refusing)
    Atomics.add(this.#words, HOLDING, holding)
  }

  #standingOf(plane: number): number {
    return Atomics.load(this.#words, this.#at(plane, PLANE_STANDING))
  }

  #at(plane: number, word: number): number {
    return COMMON + plane * PLANE_WORDS + word
  }
}

class BoardBooks implements ListenerBooks {
  readonly #board: ListenerBoard
  readonly #plane: number
  readonly #onRoom: () => void

  constructor(board: ListenerBoard, plane: number, onRoom: () => void) {
    this.#board = board
    this.#plane = plane
    this.#onRoom = onRoom
  }

  take(max: number): boolean {
    return this.#board.take(this.#plane, max)
  }

  leave(): void {
    this.#board.give(this.#plane)
    this.#announce()
  }

  mayAccept(pauseAt: number, holds: boolean): boolean {
    const may = this.#board.mayAccept(this.#plane, pauseAt, holds)
    // Whoever did not accept because clients waited here may again.
    if (may && !holds) this.#announce()
    return may
  }

  opened(): void {
    this.#board.countAccepted(this.#plane)
  }

  closed(reason: CloseReason, bytes: PerDirection<number>): void {
    this.#board.countClosed(this.#plane, reason, bytes)
  }

  snapshot(): ConnectionCounters {
    return this.#board.snapshot()
  }

  #announce(): void {
    if (this.#board.othersWait(this.#plane) && this.#board.announceRoom()) this.#onRoom()
  }
}
