/**
 * Sees to it that a file knows each connection that it has something of, also where the write that began it has failed: the packets
 * behind it may be on their way, and say nothing of whose they are, because their recorder has not heard yet that its word was lost.
 * Nothing is looked at before a write fails, and nothing any more when all that it knows are over.
 */

import { joined } from '../../core/bytes.js'
import { Takeover } from '../../core/record/files/takeover.js'
import type { WholeStore } from '../../ports/store.js'

export class RemindingStore implements WholeStore {
  readonly where: string
  readonly #store: WholeStore
  readonly #sequenceSalt: number
  /** Null: no write has failed yet, or all that it knew since are over. */
  #known: Takeover | null = null

  constructor(store: WholeStore, sequenceSalt: number) {
    this.where = store.where
    this.#store = store
    this.#sequenceSalt = sequenceSalt
  }

  write(bytes: Uint8Array, seat = 0): void | Promise<void> {
    const introductions = this.#known?.introductions(bytes, seat) ?? []
    try {
      const written = this.#store.write(joined([...introductions, bytes]), seat)
      if (!(written instanceof Promise)) return this.#stored()
      return written.then(
        () => this.#stored(),
        (error: unknown) => this.#failed(bytes, seat, error),
      )
    } catch (error) {
      this.#failed(bytes, seat, error)
    }
  }

  left(seat: number): void {
    this.#known?.left(seat)
    this.#store.left?.(seat)
  }

  close(timeoutMs: number): void | Promise<void> {
    return this.#store.close(timeoutMs)
  }

  #stored(): void {
    this.#known?.commit()
    if (this.#known?.connections === 0) this.#known = null
  }

  #failed(bytes: Uint8Array, seat: number, error: unknown): never {
    if (this.#known === null) {
      this.#known = new Takeover(this.#sequenceSalt)
      this.#known.introductions(bytes, seat)
    }
    this.#known.rollback()
    throw error
  }
}
