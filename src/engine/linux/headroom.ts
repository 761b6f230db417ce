/**
 * Whether there is a descriptor left for one more. Every accepted client needs a second one, for its upstream: one that
 * could be accepted but not served is better off in the kernel's backlog.
 *
 * Nothing is counted. The kernel gives the lowest number that is free, so while no number near the line has been seen, on any
 * thread, no more are taken than the highest says, whoever in the process took them.
 * After that a low number tells only that somebody has left: then it is tried whether as many as are needed can be opened.
 *
 * - line: from this number on a new descriptor is one of the reserve, or kept
 * - kept: planned for what is opened later (`DescriptorBudget`)
 * - needed: what is about to be opened, and what accepted clients still need, on all threads (`promises.ts`). A thread
 *   counts itself in before it asks: two that ask at the same time may both hear no, never both yes for the same number
 * - borrowed: taken from the reserve by whoever does not ask; they are given back before anybody
 *   is accepted, or each client that leaves would let the next one take a bit more of it
 */

import { reserveOf } from '../../core/budget/plan.js'
import { type AnyFd, failed } from './ffi/descriptors.js'
import type { Libc } from './ffi/libc.js'

/**
 * More than so many are not tried, one after the other, to find out (0.2 ms). The rest is taken to be behind the last one: where the limit is that
 * high, the highest number ever seen tells nothing of how many are taken now.
 */
const MOST_TRIED = 256

/** Numbers that others may have taken since the highest was seen, e.g. Node for a file: as near to the line nothing is left to chance. */
const UNSEEN = 16

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
  /** The highest number seen so far, by all threads: one that has seen only low ones fills holes between those of others. */
  readonly #seen: Int32Array
  #kept = 0

  /** `seen`: one word of memory that all threads share. Default: there is only this one. */
  constructor(source: Source, seen: Int32Array = new Int32Array(1)) {
    this.#source = source
    this.#seen = seen
  }

  /** From now on so many are kept beside the reserve. */
  keep(kept: number): void {
    this.#kept = kept
    this.#readAt = Number.NEGATIVE_INFINITY
  }

  /** This one was just opened, by whoever does not ask whether that was one too many. */
  saw(newest: AnyFd): void {
    for (let before = this.#highest; newest > before; before = this.#highest)
      if (Atomics.compareExchange(this.#seen, 0, before, newest) === before) break
  }

  /** Whether so many can be opened. `any`: a descriptor to find out with. */
  hasRoom(any: AnyFd, needed: number): boolean {
    const line = this.#currentLine()
    const highest = this.#highest
    // None seen yet: the program may have opened any number before.
    const isFar = highest > 0 && highest + needed + UNSEEN < line
    return isFar || this.#canOpen(needed, any, line)
  }

  /** Whether so many descriptors can be opened, and what is borrowed given back. */
  #canOpen(needed: number, any: AnyFd, line: number): boolean {
    const { libc } = this.#source
    const wanted = needed + (this.#highest < line ? 0 : this.#borrowed(any, line))
    const most = Math.min(wanted, MOST_TRIED)
    let [tried, last] = [0, -1]
    for (; last < line && tried < most; tried++) {
      // Behind the one before, which is closed again: others dial meanwhile, with what was promised to them.
      const fd = libc.duplicate(any, last + 1)
      if (failed(fd)) break
      libc.close(fd)
      this.saw(fd)
      last = fd
    }
    const rest = wanted - tried
    return tried === most && last + rest < line
  }

  get #highest(): number {
    return Atomics.load(this.#seen, 0)
  }

  #borrowed(any: AnyFd, line: number): number {
    const next = this.#source.libc.duplicate(any, line)
    if (failed(next)) return Number.POSITIVE_INFINITY
    this.#source.libc.close(next)
    return next - line
  }

  #currentLine(): number {
    const { now, libc } = this.#source
    if (now - this.#readAt > LIMIT_HOLDS_MS) {
      const limit = libc.descriptorLimit()
      this.#line = Math.max(0, limit - reserveOf(limit) - this.#kept)
      this.#readAt = now
    }
    return this.#line
  }
}
