/**
 * Who waits for a place of an upstream, in memory that all planes share: the beginning of its board.
 *
 *     queue = plane 0, 1, … : 64-bit   since when its oldest waits (ms); 0: nobody waits there who could take any place
 *             common : 32-bit          waiting, announced
 *             plane 0, 1, … : 32-bit   waiting, then called of each plane
 *
 * - announced: some plane has said that there is room, and those that wait have not been told yet
 * - called: a place was left to this plane, which has not looked yet
 *
 * Whoever finds no room counts itself as waiting first and looks again; who makes room does that first and then looks
 * whether anybody waits: so it is never missed. In the same way a plane takes back that it was called, and then looks.
 */

import { takeBelow } from '../take-below.js'

const WAITING = 0
const ANNOUNCED = 1
const COMMON = 2

const NOBODY = 0n

/** Another plane's oldest client. */
export interface Elder {
  readonly plane: number
  /** By `processNow`, ms. */
  readonly since: number
}

export class QueueBoard {
  readonly #planes: number
  readonly #oldest: BigInt64Array<SharedArrayBuffer>
  readonly #words: Int32Array<SharedArrayBuffer>

  /** `buffer`: its beginning is the queue's. */
  constructor(planes: number, buffer: SharedArrayBuffer) {
    this.#planes = planes
    this.#oldest = new BigInt64Array(buffer, 0, planes)
    this.#words = new Int32Array(buffer, this.#oldest.byteLength, COMMON + 2 * planes)
  }

  /** How long it is; a multiple of 8. */
  static bytes(planes: number): number {
    return planes * BigInt64Array.BYTES_PER_ELEMENT + (COMMON + 2 * planes) * Int32Array.BYTES_PER_ELEMENT
  }

  /** On all planes. */
  get waiting(): number {
    return Atomics.load(this.#words, WAITING)
  }

  /** False when `max` wait already. */
  begin(plane: number, max: number): boolean {
    if (!takeBelow(this.#words, WAITING, max)) return false
    Atomics.add(this.#words, COMMON + plane, 1)
    return true
  }

  end(plane: number): void {
    Atomics.sub(this.#words, COMMON + plane, 1)
    Atomics.sub(this.#words, WAITING, 1)
  }

  othersWait(plane: number): boolean {
    return this.waiting > Atomics.load(this.#words, COMMON + plane)
  }

  /** `since`: by `processNow`; null: nobody waits there who could take any place. */
  setOldest(plane: number, since: number | null): void {
    Atomics.store(this.#oldest, plane, since === null ? NOBODY : BigInt(Math.round(since)))
  }

  /** Who waits longest on the other planes. */
  elder(plane: number): Elder | null {
    let elder: Elder | null = null
    for (let other = 0; other < this.#planes; other++) {
      if (other === plane) continue
      const since = Number(Atomics.load(this.#oldest, other))
      if (since !== 0 && (elder === null || since < elder.since)) elder = { plane: other, since }
    }
    return elder
  }

  /** True when it has to be told: it was not called before. */
  call(plane: number): boolean {
    return Atomics.exchange(this.#words, this.#calledAt(plane), 1) === 0
  }

  /** The plane is about to look. True when it was called. */
  answer(plane: number): boolean {
    return Atomics.exchange(this.#words, this.#calledAt(plane), 0) === 1
  }

  /** True for the first that says so. */
  announceRoom(): boolean {
    return Atomics.exchange(this.#words, ANNOUNCED, 1) === 0
  }

  /** The planes to be told that there may be room; what is announced from here on is announced again. */
  clearRoom(): readonly number[] {
    Atomics.store(this.#words, ANNOUNCED, 0)
    return Array.from({ length: this.#planes }, (_, plane) => plane).filter(
      (plane) => Atomics.load(this.#words, COMMON + plane) > 0,
    )
  }

  /** The plane is no more. */
  forget(plane: number): void {
    Atomics.sub(this.#words, WAITING, Atomics.exchange(this.#words, COMMON + plane, 0))
    this.setOldest(plane, null)
    this.answer(plane)
  }

  #calledAt(plane: number): number {
    return COMMON + this.#planes + plane
  }
}
