/**
 * Whether there is a descriptor left for one more. Every accepted client needs a second one, for its upstream: one that
 * could be accepted but not served is better off in the kernel's backlog.
 *
 * Nothing is counted. The kernel gives the lowest number that is free, so a descriptor that was just opened tells that as
 * many are taken as its number says, whoever in the process took them.
 *
 * - line: from this number on a new descriptor is one of the reserve
 * - promised: descriptors that accepted clients still need
 */

import { type AnyFd, failed, type ListenFd } from './ffi/descriptors.js'
import type { Libc } from './ffi/libc.js'

/**
 * Kept for what nobody asks here for: dials that other threads begin just now, a recording's next file, whatever Node
 * opens. Of a small limit an eighth.
 */
const RESERVED = 32

/** The limit can be changed from outside at any time (prlimit(1)). */
const LIMIT_HOLDS_MS = 100

/** The reactor, as far as it is needed here. */
interface Source {
  readonly now: number
  readonly libc: Pick<Libc, 'close' | 'descriptorLimit' | 'duplicate'>
}

export class Headroom {
  readonly #source: Source
  #line = 0
  #readAt = Number.NEGATIVE_INFINITY

  constructor(source: Source) {
    this.#source = source
  }

  /** Whether `newest`, just opened, is one of the reserve, or would be if those that are promised were opened. */
  isShort(newest: AnyFd, promised: number): boolean {
    return newest + promised >= this.#currentLine()
  }

  /** Whether a client can be accepted and served. `any`: a descriptor to find out with. */
  hasRoom(any: ListenFd, promised: number): boolean {
    const { libc } = this.#source
    const next = libc.duplicate(any)
    if (failed(next)) return false
    libc.close(next)
    return !this.isShort(next, promised + 1)
  }

  #currentLine(): number {
    const { now, libc } = this.#source
    if (now - this.#readAt > LIMIT_HOLDS_MS) {
      const limit = libc.descriptorLimit()
      this.#line = limit - Math.min(RESERVED, limit >> 3)
      this.#readAt = now
    }
    return this.#line
  }
}
