/**
 * What the accepted clients of all engines that share a ledger still need: a descriptor each, until their upstream has
 * one. While a route is looked for, that can be as many as there are clients, on several threads at once. A client on its way
 * from thread to thread is nobody's, and needs one none the less.
 *
 * - claimed: what a thread is about to open, from before it asks whether there is room until it is open
 */

import type { DescriptorLedger, LedgerSeat } from './ffi/ledger.js'

/** Where the sum is; the owners' parts are behind it. */
const SUM = 0

const partOf = (owner: number): number => 1 + owner

export class Promises {
  readonly #words: Int32Array
  readonly #isAlone: boolean
  readonly #at: number
  #own = 0

  /** Without a seat, of this engine alone. */
  constructor(seat: LedgerSeat | null) {
    this.#words = seat?.ledger.promised ?? new Int32Array(1 + partOf(0))
    this.#isAlone = seat === null
    this.#at = partOf(seat?.owner ?? 0)
  }

  /** This engine's part, as it was told last. */
  get own(): number {
    return this.#own
  }

  get all(): number {
    return Atomics.load(this.#words, SUM)
  }

  /** A client has left for another thread. */
  sent(): void {
    if (!this.#isAlone) Atomics.add(this.#words, SUM, 1)
  }

  /** A client that another thread has sent is among this engine's own now. */
  arrived(): void {
    if (!this.#isAlone) Atomics.sub(this.#words, SUM, 1)
  }

  tell(own: number): void {
    if (own === this.#own) return
    Atomics.add(this.#words, SUM, own - this.#own)
    Atomics.store(this.#words, this.#at, own)
    this.#own = own
  }
}

/** What a dead thread's engine had promised is nobody's. */
export const forgetPromises = ({ promised }: DescriptorLedger, owner: number): void => {
  const left = Atomics.exchange(promised, partOf(owner), 0)
  Atomics.sub(promised, SUM, left)
}
