/**
 * Sees to it that a section's start stands before everything else: it is written together with the first bytes that
 * can be stored, in one write, so that a failure leaves all of it or nothing.
 */

import { joined } from '../../core/bytes.js'
import type { WholeStore } from '../../ports/store.js'

export class SectionStore implements WholeStore {
  readonly where: string
  readonly #store: WholeStore
  /** What every write still has to begin with. */
  #start: Uint8Array | null

  constructor(store: WholeStore, sectionStart: Uint8Array) {
    this.where = store.where
    this.#store = store
    this.#start = sectionStart
  }

  write(bytes: Uint8Array, seat?: number): void | Promise<void> {
    if (this.#start === null) return this.#store.write(bytes, seat)
    const begun = this.#store.write(joined([this.#start, bytes]), seat)
    if (begun instanceof Promise) return begun.then(this.#hasStart)
    this.#hasStart()
  }

  left(seat: number): void {
    this.#store.left?.(seat)
  }

  close(timeoutMs: number): void | Promise<void> {
    return this.#store.close(timeoutMs)
  }

  readonly #hasStart = (): void => {
    this.#start = null
  }
}
