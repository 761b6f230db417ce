/**
 * What waits for resources, in memory that all of them share. Each may have a share of what is still free, so that one which takes
 * nothing any more comes to its share soon, whoever else waits, and leaves the others theirs (dynamic thresholds: A. K. Choudhury and
 * E. L. Hahne, IEEE/ACM Transactions on Networking 6(2), 1998).
 *
 *     0 ── shared ── softBytes ── on its way ── + onTheWayBytes ── of whoever had nothing waiting ── + spareBytes
 *
 * A backlog beyond its share presses: what its connections say is held up, left out, or ends them. What was on its way by then still
 * comes, and has a place of its own. What finds none is refused.
 */

/** Of what is free, for each backlog: one that hangs takes a third of all, ten of them leave a sixth. */
const SHARE = 1 / 2

/** Whoever takes what comes, but not at once, has a frame or two waiting, whatever the others have. */
const MIN_SHARE_BYTES = 128 * 1024

export interface RoomOptions {
  /** For all backlogs to share. */
  readonly softBytes: number
  /** For what is on its way when a backlog begins to press. */
  readonly onTheWayBytes: number
  /** For whoever has nothing waiting when all that is used up. */
  readonly spareBytes: number
}

export class Room {
  readonly #softBytes: number
  readonly #pressingBytes: number
  /** No more than this is ever used. */
  readonly maxBytes: number
  #usedBytes = 0

  constructor({ softBytes, onTheWayBytes, spareBytes }: RoomOptions) {
    this.#softBytes = softBytes
    this.#pressingBytes = softBytes + onTheWayBytes
    this.maxBytes = softBytes + onTheWayBytes + spareBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** What one backlog may have. */
  get share(): number {
    return Math.max(MIN_SHARE_BYTES, (this.#softBytes - this.#usedBytes) * SHARE)
  }

  /** False: there is no room. */
  take(bytes: number, isPressing: boolean): boolean {
    const bound = isPressing ? this.#pressingBytes : this.maxBytes
    if (this.#usedBytes + bytes > bound) return false
    this.#usedBytes += bytes
    return true
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes
  }
}

/** Whoever adds to a backlog. */
export interface Contributor {
  /** It has come to its share; with false, it is well below. */
  press(isPressing: boolean): void
}

export class Backlog {
  readonly #room: Room
  readonly #contributors = new Set<Contributor>()
  #bytes = 0
  #isPressing = false

  constructor(room: Room) {
    this.#room = room
  }

  get isPressing(): boolean {
    return this.#isPressing
  }

  join(contributor: Contributor): void {
    this.#contributors.add(contributor)
    if (this.#isPressing) contributor.press(true)
  }

  leave(contributor: Contributor): void {
    this.#contributors.delete(contributor)
  }

  /** So much waits from now on. False: there is no room for it. */
  add(bytes: number): boolean {
    if (!this.#room.take(bytes, this.#isPressing)) return false
    this.#bytes += bytes
    return true
  }

  /** Presses if what still waits, now that it could have been taken at once, is too much. */
  check(): void {
    if (!this.#isPressing && this.#bytes > this.#room.share) this.#press(true)
  }

  /** So much waits no more. */
  remove(bytes: number): void {
    this.#room.give(bytes)
    this.#bytes -= bytes
    if (this.#isPressing && this.#bytes <= this.#room.share / 2) this.#press(false)
  }

  /** So much waits in the other from now on: it has its room. */
  moveTo(other: Backlog, bytes: number): void {
    this.#bytes -= bytes
    other.#bytes += bytes
  }

  #press(isPressing: boolean): void {
    this.#isPressing = isPressing
    for (const contributor of this.#contributors) contributor.press(isPressing)
  }
}
