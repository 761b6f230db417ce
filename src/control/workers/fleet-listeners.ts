/** The listeners of a fleet, by name and by number. */

import type { SharedListener } from '../../ports/engine.js'
import type { ListenerSettings } from '../plane.js'
import { ListenerBoard } from './listener-board.js'

/** A name for as long as the gateway lives: a listener that a reload brings back goes on counting. */
export interface FleetListener {
  readonly name: string
  /** In place of the name in shared memory and batches. */
  readonly number: number
  readonly board: ListenerBoard
  /** Null while it is shut. */
  open: { readonly settings: ListenerSettings; readonly socket: SharedListener } | null
}

export class FleetListeners {
  readonly #planes: number
  readonly #byName = new Map<string, FleetListener>()
  readonly #all: FleetListener[] = []

  constructor(planes: number) {
    this.#planes = planes
  }

  /** By number. */
  get all(): readonly FleetListener[] {
    return this.#all
  }

  /** By number. */
  get names(): readonly string[] {
    return this.#all.map(({ name }) => name)
  }

  get(name: string): FleetListener | undefined {
    return this.#byName.get(name)
  }

  /** Makes it if there is none. */
  named(name: string): FleetListener {
    const known = this.#byName.get(name)
    if (known !== undefined) return known
    const board = new ListenerBoard(this.#planes)
    const listener: FleetListener = { name, number: this.#all.length, board, open: null }
    this.#byName.set(name, listener)
    this.#all.push(listener)
    return listener
  }

  nameOf(number: number): string {
    return this.#all[number]?.name ?? ''
  }
}
