/** The books of one plane among many: numbers and places come out of memory that all of them share. */

import type { ListenerBooks, PlaneBooks } from '../books.js'
import type { ListenerBoard } from './listener-board.js'

export type SharedIds = BigInt64Array<SharedArrayBuffer>

export const newSharedIds = (): SharedIds =>
  new BigInt64Array(new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT))

/** Called with a listener's name when a place there became free for which others wait. */
export type OnRoom = (listener: string) => void

export class SharedBooks implements PlaneBooks {
  readonly #plane: number
  readonly #ids: SharedIds
  readonly #onRoom: OnRoom
  readonly #listeners = new Map<string, ListenerBooks>()

  constructor(plane: number, ids: SharedIds, onRoom: OnRoom) {
    this.#plane = plane
    this.#ids = ids
    this.#onRoom = onRoom
  }

  /** Has to come before the data plane hears of the listener. */
  enter(name: string, board: ListenerBoard): void {
    if (this.#listeners.has(name)) return
    this.#listeners.set(
      name,
      board.books(this.#plane, () => this.#onRoom(name)),
    )
  }

  nextId(): number {
    return Number(Atomics.add(this.#ids, 0, 1n)) + 1
  }

  listener(name: string): ListenerBooks {
    const books = this.#listeners.get(name)
    if (books === undefined) throw new Error(`listener '${name}' has no board`)
    return books
  }
}
