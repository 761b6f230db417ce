/**
 * The slabs of one recorder: the one being filled, those that are full, those the sink has, and those that are free.
 * Their number is the recorder's memory bound.
 *
 *     free → current → full → writing → free        ; in order: what was taken first is answered for first
 */

import { Slab } from './slab.js'

/**
 * What one write takes. Measured with 64 KiB chunks into memory: from 512 KiB on the calls no longer count (a third less CPU
 * per gigabyte than with 256 KiB), and it still fits a core's own cache while it is filled and summed.
 */
export const SLAB_BYTES = 512 * 1024

/** With less memory than four of those; it holds the largest packet with the longest comments (132 KiB). */
export const MIN_SLAB_BYTES = 256 * 1024

/** One filled, one full, one written, and one over: fewer would make filling wait for writing. */
const MIN_SLABS = 4

/** The least that a recorder's bound can be. */
export const MIN_POOL_BYTES = MIN_SLABS * MIN_SLAB_BYTES

export class SlabPool {
  readonly maxSlabs: number
  readonly #slabBytes: number
  readonly #free: Slab[] = []
  readonly #full: Slab[] = []
  readonly #writing: Slab[] = []
  #current: Slab | null = null
  #inUse = 0

  constructor(maxBytes: number) {
    this.#slabBytes = maxBytes < MIN_SLABS * SLAB_BYTES ? MIN_SLAB_BYTES : SLAB_BYTES
    this.maxSlabs = Math.max(MIN_SLABS, Math.floor(maxBytes / this.#slabBytes))
  }

  /** All that are not free. */
  get inUse(): number {
    return this.#inUse
  }

  get hasFull(): boolean {
    return this.#full.length > 0
  }

  /** The one that the sink answers for next. */
  get oldestWriting(): Slab | null {
    return this.#writing[0] ?? null
  }

  /** A slab with room for this block. Null if that takes another slab and there may be no more, unless `beyond` the bound. */
  room(length: number, beyond: boolean): Slab | null {
    if (this.#current?.hasRoom(length) === true) return this.#current
    if (this.#current !== null) this.#full.push(this.#current)
    this.#current = null
    if (this.#inUse >= this.maxSlabs && !beyond) return null
    this.#inUse++
    this.#current = this.#free.pop() ?? new Slab(new ArrayBuffer(this.#slabBytes))
    return this.#current
  }

  /** The next slab to write: the oldest full one, or with `partial` the current one. */
  take(partial: boolean): Slab | null {
    const slab = this.#full.shift() ?? (partial ? this.#current : null)
    if (slab === null) return null
    if (slab === this.#current) this.#current = null
    this.#writing.push(slab)
    return slab
  }

  /** {@link oldestWriting} may be used again, in `memory` if its own was given away. */
  recycle(memory: ArrayBuffer | null): void {
    const slab = this.#writing.shift()
    if (slab === undefined) return
    slab.reset()
    this.#inUse--
    if (memory !== null) slab.use(memory)
    if (slab.hasMemory && this.#inUse + this.#free.length < this.maxSlabs) this.#free.push(slab)
  }
}
