/**
 * The engine's part of the process's descriptors, counted: `node:net` does not show their numbers. It accepts whoever comes,
 * so that clients for whom there is no room have to be held, which takes descriptors, too.
 *
 * - held: accepted, unread, and nobody's yet (listener.ts); so many may be as have places of their own (`waiting`)
 * - promised: what accepted clients still need: one each, until their upstream is dialled
 */

import { DESCRIPTORS_PER_CLIENT } from '../../core/budget/plan.js'
import type { DescriptorBudget } from '../../ports/engine.js'

/**
 * Clients wait because their listener has its maximum: that keeps nobody from being served but clients of other listeners,
 * who get half of all.
 */
const HELD_WHEN_PAUSED = 1 / 2

const UNLIMITED = { connections: Number.POSITIVE_INFINITY, waiting: 0 }

/** What the engine has open. */
export interface OpenNow {
  readonly conns: number
  readonly dials: number
  /** Conns that were accepted. */
  readonly clients: number
  readonly links: number
  /** Dials for clients. */
  readonly clientDials: number
}

export class Places {
  /** By all listeners together. */
  held = 0
  readonly #openNow: () => OpenNow
  #budget: Pick<DescriptorBudget, 'connections' | 'waiting'> = UNLIMITED

  constructor(openNow: () => OpenNow) {
    this.#openNow = openNow
  }

  keepTo(budget: DescriptorBudget): void {
    this.#budget = budget
  }

  /** For one that was accepted just now, and its upstream. */
  hasRoomForClient(): boolean {
    return this.left >= DESCRIPTORS_PER_CLIENT
  }

  /** For one of those that are held. */
  hasRoomForHeld(): boolean {
    const hasPlaceOfItsOwn = this.held <= this.#budget.waiting
    return this.left >= DESCRIPTORS_PER_CLIENT - (hasPlaceOfItsOwn ? 0 : 1)
  }

  /** `isPaused`: its listener's own doing. */
  hasRoomToHold(isPaused: boolean): boolean {
    const { connections, waiting } = this.#budget
    if (this.held < waiting) return true
    return isPaused && this.held < connections * HELD_WHEN_PAUSED && this.left >= 1
  }

  /** For one that nobody waits for, beside a client that may come. */
  hasSpare(): boolean {
    return this.left > DESCRIPTORS_PER_CLIENT
  }

  /** Neither taken nor promised; below 0 when the budget has become smaller. */
  get left(): number {
    const { connections, waiting } = this.#budget
    const { conns, dials, clients, links, clientDials } = this.#openNow()
    const promised = Math.max(0, clients - links - clientDials)
    return connections - conns - dials - promised - Math.max(0, this.held - waiting)
  }
}
