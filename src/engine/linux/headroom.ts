/**
 * Whether there is a descriptor left for one more. Every accepted client needs a second one, for its upstream: one that
 * could be accepted but not served is better off in the kernel's backlog.
 *
 * Nothing is counted. The kernel gives the lowest number that is free, so while no number near the line has been seen, a
 * descriptor that was just opened tells that as many are taken as its number says, whoever in the process took them.
 * After that a low number tells only that somebody has left: then it is tried whether as many as are needed can be opened.
 *
 * - line: from this number on a new descriptor is one of the reserve, or kept
 * - kept: planned for what is opened later (`DescriptorBudget`)
 * - promised: descriptors that accepted clients still need
 * - borrowed: taken from the reserve, since others opened some at the same time; they are given back before anybody
 *   is accepted, or each client that leaves would let the next one take a bit more of it
 */

import { reserveOf } from '../../core/budget/plan.js'
import { type AnyFd, failed } from './ffi/descriptors.js'
import type { Libc } from './ffi/libc.js'

/** More than so many are not opened to find out: the rest is taken to be behind the last one. */
const MOST_TRIED = 64

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
  /** The highest number seen so far. */
  #highest = 0
  #kept = 0

  constructor(source: Source) {
    this.#source = source
  }

  /** From now on so many are kept beside the reserve. */
  keep(kept: number): void {
    this.#kept = kept
    this.#readAt = Number.NEGATIVE_INFINITY
  }

  /** This one was just opened, by whoever does not ask whether that was one too many. */
  saw(newest: AnyFd): void {
    if (newest > this.#highest) this.#highest = newest
  }

  /** Whether `newest`, just opened, is one of the reserve, or would be if `needed` more were opened. */
  isShort(newest: AnyFd, needed: number): boolean {
    const line = this.#currentLine()
    this.saw(newest)
    if (this.#highest + needed < line) return false
    return newest >= line || !this.#canOpen(needed, newest, line)
  }

  /** Whether one more can be opened, and a client still be accepted and served. */
  hasSpare(any: AnyFd, promised: number): boolean {
    const needed = promised + 3
    const line = this.#currentLine()
    return this.#highest + needed < line || this.#canOpen(needed, any, line)
  }

  /** Whether a client can be accepted and served. `any`: a descriptor to find out with. */
  hasRoom(any: AnyFd, promised: number): boolean {
    return this.#canOpen(promised + 2, any, this.#currentLine())
  }

  /** Whether so many descriptors can be opened, and what is borrowed given back. */
  #canOpen(needed: number, any: AnyFd, line: number): boolean {
    const { libc } = this.#source
    const wanted = needed + (this.#highest < line ? 0 : this.#borrowed(any, line))
    const tried: AnyFd[] = []
    let last = -1
    while (last < line && tried.length < Math.min(wanted, MOST_TRIED)) {
      const fd = libc.duplicate(any)
      if (failed(fd)) break
      tried.push(fd)
      last = fd
    }
    for (const fd of tried) libc.close(fd)
    if (last > this.#highest) this.#highest = last
    const isCutShort = tried.length < Math.min(wanted, MOST_TRIED)
    return !isCutShort && last + (wanted - tried.length) < line
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
