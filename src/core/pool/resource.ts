/**
 * One resource of a `ResourcePool`: something that takes a slot while it exists, is held by one user at a time, and is kept
 * between uses until another resource needs the slot.
 *
 * - allocate, release: the caller's functions that make the thing and unmake it
 * - held: between `get` and `put`; unused: made, and nobody holds it
 * - lease: what `get` gives; a lease that was put says nothing about a later one
 * - stray: an allocation that nobody waits for any more
 */

import type { TidegateError } from '../../errors.js'
import type { Cancel, Clock } from './clock.js'
import { abortedError, closedError, fullError, functionError, lateError, misuse } from './errors.js'
import type { Claim, Slots, Unused } from './slots.js'
import { Waiter, type WaitOptions } from './waiter.js'

export interface ResourceFunctions<T> {
  /**
   * Makes it. `signal` is aborted when nobody waits for it any more; one that succeeds all the same is kept, unused.
   * What it throws reaches whoever called `get`.
   */
  allocate(signal: AbortSignal): T | Promise<T>
  /** Unmakes it. The slot is free when this is over, whether it throws or not. */
  release(value: T): void | Promise<void>
}

export interface GetOptions extends WaitOptions {
  /** Take a slot only if one is free right now: wait for nobody, release nobody's unused resource. Default false. */
  readonly onlyIfFree?: boolean
}

/** One use of a resource: `await using lease = await resource.get()` puts it at the end of the block. */
export interface Lease<T> extends AsyncDisposable {
  /** What `allocate` gave. */
  readonly value: T
  /** Ends the use; the resource stays, unused. @throws TidegateError `misuse`: it has ended already. */
  put(): void
  /** Ends the use and releases the resource. @throws TidegateError (rejects) `misuse`; what `release` threw. */
  release(): Promise<void>
}

/** What a resource needs of its pool. */
export interface ResourceHome {
  readonly name: string
  readonly clock: Clock
  readonly slots: Slots
  /** How long a release or a stray may take before its slot is given to others, ms; 0: for ever. */
  readonly graceMs: number
  /** `open`: as ever. `draining`: no new `get`. `destroyed`: nothing is kept. */
  readonly life: 'open' | 'draining' | 'destroyed'
  /** For whatever has a slot. */
  readonly active: Set<Active>
  /** A release failed, or took too long, that nobody awaits. */
  releaseFailed(error: TidegateError): void
}

export interface Active {
  /** Ends whatever it is doing. */
  destroy(): void
}

type State<T> =
  | { readonly kind: 'empty' }
  | {
      readonly kind: 'allocating'
      readonly stop: AbortController
      waiter: Waiter<Lease<T>> | null
      cancelGrace: Cancel | null
    }
  | { readonly kind: 'held'; readonly value: T; readonly lease: Lease<T>; isMarked: boolean }
  | { readonly kind: 'unused'; readonly value: T }
  | { readonly kind: 'releasing'; readonly done: Promise<void> }

const EMPTY = { kind: 'empty' } as const

export class Resource<T = void> implements Unused, Active {
  /** The pool's list of unused ones uses these. */
  next: Unused | null = null
  previous: Unused | null = null
  readonly #home: ResourceHome
  readonly #functions: ResourceFunctions<T>
  #state: State<T> = EMPTY
  /** A `get` in the pool's queue; also while what it had before is still being released. */
  #queued: { readonly claim: Claim; readonly waiter: Waiter<Lease<T>> } | null = null

  /** Resources are made by `pool.create`. */
  constructor(home: ResourceHome, functions: ResourceFunctions<T>) {
    this.#home = home
    this.#functions = functions
  }

  /** `waiting`: for a slot. */
  get state(): 'empty' | 'waiting' | 'allocating' | 'held' | 'unused' | 'releasing' {
    return this.#queued !== null ? 'waiting' : this.#state.kind
  }

  /**
   * Takes it into use: at once if it is unused, else as soon as there is a slot and `allocate` is done.
   * @throws TidegateError (rejects) `acquire_timeout`, `aborted`, `pool_closed`, `pool_full` (with `onlyIfFree`), `misuse` (it is
   * held or being got), or what `allocate` threw: a TidegateError as it is, else `hook_failed`.
   */
  async get(options: GetOptions = {}): Promise<Lease<T>> {
    const { name, slots, life } = this.#home
    if (options.signal?.aborted) throw abortedError(name, options.signal.reason)
    const lease = this.tryGet()
    if (lease !== null) return lease
    if (this.#queued !== null || (this.#state.kind === 'allocating' && this.#state.waiter !== null))
      throw misuse('get: the resource is being got already')
    if (life !== 'open') throw closedError(name)
    if (options.onlyIfFree && !(this.#state.kind === 'empty' && slots.tryTake()))
      throw fullError(name, `${slots.taken} of ${slots.max} slots are taken, ${slots.waiting} wait`)
    const waiter = this.#newWaiter(options)
    if (options.onlyIfFree) this.#allocate(waiter)
    else this.#queue(waiter)
    return waiter.promise
  }

  /** Takes it into use if it is unused, else null. @throws TidegateError `misuse`: it is held. */
  tryGet(): Lease<T> | null {
    const state = this.#state
    if (state.kind === 'held') throw misuse('get: the resource is held already; put it first')
    if (state.kind !== 'unused' || this.#home.life !== 'open') return null
    this.#home.slots.reclaim(this)
    return this.#hold(state.value)
  }

  /**
   * Ends its use; it stays, unused, until it is got again or its slot is needed.
   * @throws TidegateError `misuse`: it is not held.
   */
  put(): void {
    if (this.#state.kind === 'held') this.#state.lease.put()
    else if (this.#home.life !== 'destroyed') throw misuse('put: the resource is not held')
  }

  /**
   * Unmakes it, held or unused, and gives its slot back. Of one that is not there: does nothing.
   * @throws TidegateError (rejects) `misuse`: it is being got; what `release` threw, the slot is free all the same.
   */
  async release(): Promise<void> {
    const state = this.#state
    if (state.kind === 'releasing') return state.done
    if (this.#queued !== null || state.kind === 'allocating')
      throw misuse('release: the resource is being got; abort that')
    if (state.kind === 'empty') return
    if (state.kind === 'unused') this.#home.slots.reclaim(this)
    return this.#release(state.value)
  }

  /**
   * Has it released when it is put next, once; at once if it is unused. Does nothing if it is not there.
   */
  scheduleRelease(): void {
    if (this.#state.kind === 'held') this.#state.isMarked = true
    else if (this.#state.kind === 'unused') this.evict()
  }

  /** Called by the pool, whose slot is needed. */
  evict(): void {
    if (this.#state.kind !== 'unused') return
    this.#home.slots.reclaim(this)
    this.#releaseUnasked(this.#state.value)
  }

  /** Called by the pool when it is destroyed. */
  destroy(): void {
    if (this.#state.kind === 'held') this.#releaseUnasked(this.#state.value)
    else if (this.#state.kind === 'allocating') this.#state.waiter?.reject(closedError(this.#home.name))
    if (this.#state.kind === 'allocating') this.#abandon(this.#state)
    this.evict()
  }

  #newWaiter(options: WaitOptions): Waiter<Lease<T>> {
    const { clock, name, slots } = this.#home
    const owner = {
      clock,
      what: name,
      lateError: (timeoutMs: number) =>
        lateError(name, timeoutMs, `${slots.taken} of ${slots.max} slots are taken, ${slots.waiting} wait`),
      gone: () => this.#gone(),
    }
    return new Waiter(owner, options)
  }

  #queue(waiter: Waiter<Lease<T>>): void {
    const claim: Claim = {
      next: null,
      previous: null,
      isReady: () => this.#state.kind === 'empty',
      grant: () => {
        this.#queued = null
        this.#allocate(waiter)
      },
      close: () => {
        this.#queued = null
        this.#home.slots.withdraw(claim)
        waiter.reject(closedError(this.#home.name))
      },
    }
    this.#queued = { claim, waiter }
    this.#home.slots.claim(claim)
  }

  /** Whoever waited has given up. */
  #gone(): void {
    if (this.#queued !== null) {
      this.#home.slots.withdraw(this.#queued.claim)
      this.#queued = null
    } else if (this.#state.kind === 'allocating') this.#abandon(this.#state)
  }

  /** It has a slot. */
  #allocate(waiter: Waiter<Lease<T>>): void {
    const attempt = { kind: 'allocating' as const, stop: new AbortController(), waiter, cancelGrace: null }
    this.#state = attempt
    this.#home.active.add(this)
    void this.#attempt(attempt)
  }

  async #attempt(attempt: State<T> & { kind: 'allocating' }): Promise<void> {
    try {
      const value = await this.#functions.allocate(attempt.stop.signal)
      if (this.#state === attempt) this.#allocated(attempt, value)
      else await this.#functions.release(value)
    } catch (thrown) {
      const error = functionError('allocate', thrown)
      if (this.#state === attempt) {
        this.#empty()
        attempt.waiter?.reject(error)
        this.#home.slots.free()
      } else this.#home.releaseFailed(error)
    } finally {
      attempt.cancelGrace?.()
    }
  }

  #allocated(attempt: State<T> & { kind: 'allocating' }, value: T): void {
    if (attempt.waiter !== null) attempt.waiter.resolve(this.#hold(value))
    else if (this.#queued !== null) {
      // Got again while the stray was under way: it need not be made twice.
      const { claim, waiter } = this.#queued
      this.#home.slots.withdraw(claim)
      this.#queued = null
      waiter.resolve(this.#hold(value))
    } else this.#keep(value)
  }

  /** Nobody waits for this allocation. Its slot stays taken while it may still make something, within the grace. */
  #abandon(attempt: State<T> & { kind: 'allocating' }): void {
    attempt.waiter = null
    const { clock, graceMs, slots } = this.#home
    const giveUp = (): void => {
      if (this.#state !== attempt) return
      this.#empty()
      slots.free()
    }
    if (graceMs > 0) attempt.cancelGrace = clock.after(graceMs, giveUp, true)
    attempt.stop.abort()
  }

  #hold(value: T): Lease<T> {
    const end = (): (State<T> & { kind: 'held' }) | null => {
      const state = this.#state
      return state.kind === 'held' && state.lease === lease ? state : null
    }
    /** null: the pool was destroyed and has released it already. */
    const use = (call: string): (State<T> & { kind: 'held' }) | null => {
      const state = end()
      if (state !== null || this.#home.life === 'destroyed') return state
      throw misuse(`${call}: the resource is not held by this lease any more`)
    }
    const put = (state: State<T> & { kind: 'held' }): void => {
      if (state.isMarked) this.#releaseUnasked(value)
      else this.#keep(value)
    }
    const lease: Lease<T> = {
      value,
      put: () => {
        const state = use('put')
        if (state !== null) put(state)
      },
      release: async () => {
        if (use('release') !== null) await this.#release(value)
      },
      [Symbol.asyncDispose]: async () => {
        const state = end()
        if (state !== null) put(state)
      },
    }
    this.#state = { kind: 'held', value, lease, isMarked: false }
    return lease
  }

  #keep(value: T): void {
    this.#state = { kind: 'unused', value }
    if (this.#home.life === 'open') this.#home.slots.offer(this)
    else this.#releaseUnasked(value)
  }

  #empty(): void {
    this.#state = EMPTY
    this.#home.active.delete(this)
  }

  #releaseUnasked(value: T): void {
    this.#release(value).catch((error: TidegateError) => this.#home.releaseFailed(error))
  }

  /** Rejects with what `release` threw, or after the grace; the slot is free by then. */
  #release(value: T): Promise<void> {
    const { clock, graceMs, slots } = this.#home
    let cancel: Cancel | null = null
    let settle: (error: TidegateError | null) => void = () => {}
    const done = new Promise<void>((resolve, reject) => {
      let isSettled = false
      settle = (error) => {
        if (isSettled) return
        isSettled = true
        cancel?.()
        this.#empty()
        if (error === null) resolve()
        else reject(error)
        slots.releaseEnds()
      }
    })
    this.#state = { kind: 'releasing', done }
    slots.releaseBegins()
    if (graceMs > 0)
      cancel = clock.after(graceMs, () => settle(functionError('release', `not done in ${graceMs} ms`)), true)
    void this.#unmake(value).then(settle)
    return done
  }

  async #unmake(value: T): Promise<TidegateError | null> {
    try {
      await this.#functions.release(value)
      return null
    } catch (thrown) {
      return functionError('release', thrown)
    }
  }
}
