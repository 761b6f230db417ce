/**
 * The engine's part of the process's descriptors, counted: `node:net` does not show their numbers. It accepts whoever comes,
 * so that those for whom there is no room have to be held, which takes one, too.
 *
 * - taken: conns, dials and held clients, one each
 * - promised: what accepted clients still need: one each, until their upstream is dialled
 * - held: accepted, unread, and nobody's yet (listener.ts)
 */

import { DESCRIPTORS_PER_CLIENT } from '../../core/budget/plan.js'

/** Of the descriptors for connections: each two that are held could serve a client instead. */
const HELD_WHEN_SHORT = 1 / 16

/** Those who wait because their listener has its maximum keep nobody from being served, but clients of other listeners. */
const HELD_WHEN_PAUSED = 1 / 2

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
  #most = Number.POSITIVE_INFINITY

  constructor(openNow: () => OpenNow) {
    this.#openNow = openNow
  }

  setMost(most: number): void {
    this.#most = most
  }

  /** For one that was accepted just now, and its upstream. */
  hasRoomForClient(): boolean {
    return this.#left() >= DESCRIPTORS_PER_CLIENT
  }

  /** For the upstream of one that is held. */
  hasRoomForHeld(): boolean {
    return this.#left() >= DESCRIPTORS_PER_CLIENT - 1
  }

  /** `isPaused`: its listener's own doing. */
  hasRoomToHold(isPaused: boolean): boolean {
    return this.held < this.#most * (isPaused ? HELD_WHEN_PAUSED : HELD_WHEN_SHORT) && this.#left() >= 1
  }

  /** For one that nobody waits for, beside a client that may come. */
  hasSpare(): boolean {
    return this.#left() > DESCRIPTORS_PER_CLIENT
  }

  #left(): number {
    const { conns, dials, clients, links, clientDials } = this.#openNow()
    const promised = Math.max(0, clients - links - clientDials)
    return this.#most - conns - dials - this.held - promised
  }
}
