/**
 * The idle connections of a pool, and the end of those that are idle for too long or too old. One timer for all, set only when
 * an earlier end comes up than the one it waits for.
 *
 * - surplus: what is beyond `min`. It ends when there was no use for it during the whole idle time: a connection that is taken and put
 *   back all the time must not push out an older one each time, only to have it dialled again.
 */

import type { Cancel, Clock } from './clock.js'
import type { IdlePoolOptions } from './idle-options.js'
import { List } from './list.js'
import type { Member } from './member.js'

export interface ShelfOwner<T> {
  /** It is off the shelf. */
  expired(member: Member<T>): void
  /** All have been looked at. */
  swept(): void
}

export class Shelf<T> {
  readonly #clock: Clock
  readonly #owner: ShelfOwner<T>
  readonly #members = new List<Member<T>>()
  #options: IdlePoolOptions
  #surplusSinceMs = 0
  #sweepsAtMs = Number.POSITIVE_INFINITY
  #cancelSweep: Cancel | null = null

  constructor(clock: Clock, options: IdlePoolOptions, owner: ShelfOwner<T>) {
    this.#clock = clock
    this.#options = options
    this.#owner = owner
  }

  get size(): number {
    return this.#members.size
  }

  /** Idle for longest. */
  get oldest(): Member<T> | null {
    return this.#members.first
  }

  /** Idle for the shortest time. */
  get newest(): Member<T> | null {
    return this.#members.last
  }

  put(member: Member<T>, nowMs: number): void {
    member.place = 'idle'
    member.idleSinceMs = nowMs
    this.#members.push(member)
    if (this.#members.size === this.#options.min + 1) this.#surplusSinceMs = nowMs
    const { maxAgeMs } = this.#options
    const agedAtMs = maxAgeMs > 0 ? member.createdMs + maxAgeMs : Number.POSITIVE_INFINITY
    this.#sweepBy(Math.min(agedAtMs, this.#surplusEndsAtMs()), nowMs)
  }

  remove(member: Member<T>): void {
    this.#members.remove(member)
  }

  setOptions(options: IdlePoolOptions): void {
    this.#options = options
    this.#surplusSinceMs = this.#clock.now()
    this.#sweep()
  }

  /** No more sweeps, until something is put here. */
  stop(): void {
    this.#cancelSweep?.()
    this.#cancelSweep = null
    this.#sweepsAtMs = Number.POSITIVE_INFINITY
  }

  isAged(member: Member<T>, nowMs: number): boolean {
    const { maxAgeMs } = this.#options
    return maxAgeMs > 0 && nowMs - member.createdMs >= maxAgeMs
  }

  #surplusEndsAtMs(): number {
    const { min, idleTimeoutMs } = this.#options
    const oldest = this.#members.first
    if (idleTimeoutMs === 0 || oldest === null || this.#members.size <= min) return Number.POSITIVE_INFINITY
    return Math.max(oldest.idleSinceMs, this.#surplusSinceMs) + idleTimeoutMs
  }

  #sweepBy(atMs: number, nowMs: number): void {
    if (atMs >= this.#sweepsAtMs) return
    this.#cancelSweep?.()
    this.#sweepsAtMs = atMs
    this.#cancelSweep = this.#clock.after(Math.max(0, atMs - nowMs), () => this.#sweep(), true)
  }

  #sweep(): void {
    this.stop()
    const nowMs = this.#clock.now()
    const nextMs = this.#expireAged(nowMs)
    while (this.#members.first !== null && this.#surplusEndsAtMs() <= nowMs) this.#expire(this.#members.first)
    this.#owner.swept()
    const atMs = Math.min(nextMs, this.#surplusEndsAtMs())
    if (this.#members.size > 0 && atMs < Number.POSITIVE_INFINITY) this.#sweepBy(atMs, nowMs)
  }

  /** When the next one will be too old. */
  #expireAged(nowMs: number): number {
    const { maxAgeMs } = this.#options
    let nextMs = Number.POSITIVE_INFINITY
    if (maxAgeMs === 0) return nextMs
    for (let member = this.#members.first; member !== null; ) {
      const { next } = member
      if (this.isAged(member, nowMs)) this.#expire(member)
      else nextMs = Math.min(nextMs, member.createdMs + maxAgeMs)
      member = next
    }
    return nextMs
  }

  #expire(member: Member<T>): void {
    this.#members.remove(member)
    this.#owner.expired(member)
  }
}
