/**
 * Slots shared by many resources: never more of them exist than there are slots, whoever uses them (after Dominator's
 * `resourcepool`). Connections to many places inside one limit of descriptors are the case it was made for.
 */

import type { TidegateError } from '../../errors.js'
import type { Clock } from './clock.js'
import { checkWhole } from './errors.js'
import { type Active, Resource, type ResourceFunctions, type ResourceHome } from './resource.js'
import { Slots } from './slots.js'

/** A close that takes longer than this is not going to end; a slot lost to it would be lost for ever. */
export const DEFAULT_GRACE_MS = 30_000

export interface ResourcePoolOptions {
  /** How many resources may exist at a time, from 1 on. */
  readonly max: number
  /** For messages. Default `the resource pool`. */
  readonly name?: string
  /**
   * How long a release, or an allocation that nobody waits for any more, may take before its slot is given to others, ms;
   * 0: for ever. Default 30 s.
   */
  readonly graceMs?: number
  /** Told of a release that failed or did not end, and that nobody awaits. */
  readonly onReleaseError?: (error: TidegateError) => void
}

export interface ResourcePoolMetrics {
  readonly maximum: number
  /** Held, or being allocated. */
  readonly inUse: number
  /** Kept, and held by nobody. */
  readonly unused: number
  readonly releasing: number
  /** Calls of `get` that have no slot yet. */
  readonly waiting: number
}

export class ResourcePool {
  readonly #slots: Slots
  readonly #home: ResourceHome
  readonly #active = new Set<Active>()
  #life: 'open' | 'draining' | 'destroyed' = 'open'
  readonly #drained: (() => void)[] = []

  /** @throws TidegateError `value_invalid`. */
  constructor(options: ResourcePoolOptions, clock: Clock) {
    const { max, name = 'the resource pool', graceMs = DEFAULT_GRACE_MS, onReleaseError } = options
    checkWhole('max', max, 1)
    checkWhole('graceMs', graceMs)
    this.#slots = new Slots(max, () => this.#tellDrained())
    const life = (): 'open' | 'draining' | 'destroyed' => this.#life
    this.#home = {
      name,
      clock,
      slots: this.#slots,
      graceMs,
      active: this.#active,
      get life() {
        return life()
      },
      releaseFailed: (error) => onReleaseError?.(error),
    }
  }

  /** A resource of this pool. It takes no slot until it is got. */
  create<T>(functions: ResourceFunctions<T>): Resource<T> {
    return new Resource(this.#home, functions)
  }

  metrics(): ResourcePoolMetrics {
    const { max, taken, unused, releasing, waiting } = this.#slots
    return { maximum: max, inUse: taken - unused - releasing, unused, releasing, waiting }
  }

  /**
   * Takes no new `get`, serves those that wait already, releases what is unused and what is put, and resolves when no slot is
   * taken any more. Idempotent.
   */
  drain(): Promise<void> {
    if (this.#life === 'open') this.#life = 'draining'
    this.#slots.evictAll()
    return this.#allFree()
  }

  /**
   * At once: whoever waits is rejected with `pool_closed`, everything is released, also what is held. Resolves when no slot is taken
   * any more. Idempotent.
   */
  destroy(): Promise<void> {
    this.#life = 'destroyed'
    this.#slots.close()
    for (const resource of [...this.#active]) resource.destroy()
    return this.#allFree()
  }

  #allFree(): Promise<void> {
    return new Promise((resolve) => {
      this.#drained.push(resolve)
      this.#tellDrained()
    })
  }

  #tellDrained(): void {
    if (this.#slots.taken > 0 || this.#slots.waiting > 0) return
    for (const resolve of this.#drained.splice(0)) resolve()
  }
}
