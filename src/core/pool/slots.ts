/**
 * The slots that the resources of one pool share.
 *
 * - claim: what wants a slot; claims are granted in the order they came, but for those that are not ready
 * - unused: what has a slot and could give it up; the one unused for longest goes first, and only when a claim needs it
 * - releasing: what is giving its slot up; the slot is free when that is over
 */

import { List, type ListNode } from './list.js'

export interface Claim extends ListNode<Claim> {
  /** False: it cannot use a slot yet. Others pass it. */
  isReady(): boolean
  /** A slot is its own from now on. */
  grant(): void
  /** There will be none. It must withdraw. */
  close(): void
}

export interface Unused extends ListNode<Unused> {
  /** Must leave the list, and give its slot up: at once or, counted by `releasing`, later. */
  evict(): void
}

export class Slots {
  readonly max: number
  readonly #onChange: () => void
  #taken = 0
  #releasing = 0
  readonly #claims = new List<Claim>()
  readonly #unused = new List<Unused>()
  #isBusy = false
  #isAskedAgain = false

  /** `onChange`: something came back or was withdrawn. */
  constructor(max: number, onChange: () => void) {
    this.max = max
    this.#onChange = onChange
  }

  get taken(): number {
    return this.#taken
  }

  get releasing(): number {
    return this.#releasing
  }

  get unused(): number {
    return this.#unused.size
  }

  get waiting(): number {
    return this.#claims.size
  }

  /** Takes a slot if one is free and nobody waits for it. */
  tryTake(): boolean {
    if (this.#taken >= this.max || this.#claims.size > 0) return false
    this.#taken++
    return true
  }

  claim(claim: Claim): void {
    this.#claims.push(claim)
    this.advance()
  }

  withdraw(claim: Claim): void {
    this.#claims.remove(claim)
    this.#onChange()
  }

  close(): void {
    while (this.#claims.first !== null) this.#claims.first.close()
  }

  /** It may be evicted, from now on and also at once. */
  offer(unused: Unused): void {
    this.#unused.push(unused)
    this.advance()
  }

  reclaim(unused: Unused): void {
    this.#unused.remove(unused)
  }

  evictAll(): void {
    while (this.#unused.first !== null) this.#unused.first.evict()
  }

  releaseBegins(): void {
    this.#releasing++
  }

  releaseEnds(): void {
    this.#releasing--
    this.free()
  }

  free(): void {
    this.#taken--
    this.advance()
    this.#onChange()
  }

  /** Grants what can be granted. Also to be called when a claim has become ready. */
  advance(): void {
    // What is granted or evicted comes back here: one loop at a time keeps the order.
    if (this.#isBusy) {
      this.#isAskedAgain = true
      return
    }
    this.#isBusy = true
    do {
      this.#isAskedAgain = false
      this.#grant()
      while (this.#isShort() && this.#unused.first !== null) this.#unused.first.evict()
    } while (this.#isAskedAgain)
    this.#isBusy = false
  }

  /** More wait than there are slots free or on their way. */
  #isShort(): boolean {
    return this.#claims.size > this.max - this.#taken + this.#releasing
  }

  #grant(): void {
    while (this.#taken < this.max) {
      // From the start each time: a grant may call back and change the queue.
      let claim = this.#claims.first
      while (claim !== null && !claim.isReady()) claim = claim.next
      if (claim === null) return
      this.#claims.remove(claim)
      this.#taken++
      claim.grant()
    }
  }
}
