/**
 * What a data plane writes down of its connections: their numbers, and per listener what is open and what has ended.
 * The books are a plane's own, or shared with planes on other threads (workers/).
 */

import type { CloseReason } from '../core/close-reason.js'
import type { PerDirection } from '../core/direction.js'
import type { Places } from '../core/session/admission.js'
import { SessionCounters } from '../core/session/counters.js'
import type { ConnectionCounters } from '../core/session/record.js'

export interface PlaneBooks {
  /** Unique within the gateway, counted from 1. */
  nextId(): number
  /** A name has its books for as long as the gateway lives, so that a reloaded listener goes on counting. */
  listener(name: string): ListenerBooks
}

export interface ListenerBooks extends Places {
  /** Gives back what `take` took. */
  leave(): void
  /**
   * Whether the listener may accept: fewer than `pauseAt` places are taken (0: always), and nobody who waits, held by this
   * plane (`holds`) or another one, would be overtaken. Who is told no asks again once
   * there is room.
   */
  mayAccept(pauseAt: number, holds: boolean): boolean
  opened(): void
  closed(reason: CloseReason, bytes: PerDirection<number>): void
  snapshot(): ConnectionCounters
}

class OwnListenerBooks implements ListenerBooks {
  readonly #counters = new SessionCounters()
  #taken = 0

  take(max: number): boolean {
    if (max > 0 && this.#taken >= max) return false
    this.#taken++
    return true
  }

  leave(): void {
    this.#taken--
  }

  mayAccept(pauseAt: number): boolean {
    return pauseAt === 0 || this.#taken < pauseAt
  }

  opened(): void {
    this.#counters.opened()
  }

  closed(reason: CloseReason, bytes: PerDirection<number>): void {
    this.#counters.closed(reason, bytes)
  }

  snapshot(): ConnectionCounters {
    return this.#counters.snapshot()
  }
}

/** The books of a plane that is alone. */
export class OwnBooks implements PlaneBooks {
  readonly #listeners = new Map<string, OwnListenerBooks>()
  #lastId = 0

  nextId(): number {
    return ++this.#lastId
  }

  listener(name: string): ListenerBooks {
    const known = this.#listeners.get(name)
    if (known !== undefined) return known
    const books = new OwnListenerBooks()
    this.#listeners.set(name, books)
    return books
  }
}
