/**
 * Connections to one place, kept between uses. It decides which one is taken, when one is dialled and when one is closed; what a
 * connection is, it does not know: a socket of `node:net`, an engine's conn, anything that is dialled and closed.
 *
 * - member: a connection of this pool, idle or in use; the handle that is taken and given back
 * - take: the one that was idle for the shortest time, if it is alive (LIFO: the rest grow old and are closed)
 * - ahead: dialled before anybody asks, so that `min` are idle at all times
 * - surplus: idle connections beyond `min`
 *
 * `take` and `giveBack` allocate nothing while connections are there and no timer has to be set.
 */

import type { Cancel, Clock } from './clock.js'
import { type IdlePoolCounters, newTotals } from './counters.js'
import { type DialDone, Dials } from './dials.js'
import { abortedError, closedError, fullError, functionError, lateError, misuse } from './errors.js'
import { checkIdleOptions, type IdlePoolOptions } from './idle-options.js'
import { List } from './list.js'
import { Member } from './member.js'
import { Shelf } from './shelf.js'
import { Waiter, type WaitOptions } from './waiter.js'

/** Why a connection is closed. */
export type CloseCause = 'dead' | 'expired' | 'evicted' | 'discarded' | 'closed'

/** What the pool needs done. None of these may throw, but `dial`; none may call the pool back before it returns, but `dial`'s `done`. */
export interface IdlePoolShell<T> {
  /** For messages: `the pool of 10.0.0.7:6379`. */
  readonly name: string
  readonly clock: Clock
  /**
   * Starts connecting, within a time limit of its own. `done` is called once, with an error or a connection, or with neither: given up,
   * nobody's fault. Returns what cancels it; `done` is not called after that.
   * @param isAhead nobody waits for it
   */
  dial(done: DialDone<T>, isAhead: boolean): Cancel
  /** Whether it can be used (again): open both ways, and silent. */
  isAlive(member: Member<T>): boolean
  /** Not in the pool any more. */
  close(member: Member<T>, cause: CloseCause): void
  /** It is idle from now on: whoever watches it calls `left` when it dies. */
  idle?(member: Member<T>): void
  /** It is not idle any more: it was taken, and `isAlive` was true. */
  taken?(member: Member<T>): void
}

export class IdlePool<T> {
  readonly #shell: IdlePoolShell<T>
  readonly #dials: Dials<T>
  readonly #idle: Shelf<T>
  readonly #inUse = new List<Member<T>>()
  readonly #waiters = new List<Waiter<Member<T>>>()
  readonly #totals = newTotals()
  #options: IdlePoolOptions
  #life: 'open' | 'draining' | 'destroyed' = 'open'
  readonly #drained: (() => void)[] = []
  #isFilling = false

  /** Starts dialling ahead. @throws TidegateError `value_invalid`. */
  constructor(options: IdlePoolOptions, shell: IdlePoolShell<T>) {
    checkIdleOptions(options)
    this.#options = options
    this.#shell = shell
    this.#idle = new Shelf(shell.clock, options, {
      expired: (member) => this.#close(member, 'expired'),
      swept: () => this.#fill(),
    })
    this.#dials = new Dials(shell.clock, {
      dial: (done) => shell.dial(done, this.#dials.size > this.#waiters.size),
      done: (error, conn) => this.#dialled(error, conn),
      resumed: () => this.#fill(),
    })
    this.#fill()
  }

  get options(): IdlePoolOptions {
    return this.#options
  }

  /** Whether another connection would be of use: somebody waits, or fewer than `min` are idle. */
  get wantsMore(): boolean {
    return this.#waiters.size > 0 || this.#idle.size < this.#options.min
  }

  get idle(): number {
    return this.#idle.size
  }

  counters(): IdlePoolCounters {
    return {
      idle: this.#idle.size,
      inUse: this.#inUse.size,
      dialling: this.#dials.size,
      waiting: this.#waiters.size,
      ...this.#totals,
    }
  }

  /** An idle connection that is alive, at once; null if there is none. Those found dead or too old are closed. */
  take(): Member<T> | null {
    let member = this.#idle.newest
    if (member === null || this.#life !== 'open') return null
    const nowMs = this.#shell.clock.now()
    for (; member !== null; member = this.#idle.newest) {
      this.#idle.remove(member)
      if (this.#idle.isAged(member, nowMs)) this.#close(member, 'expired')
      else if (!this.#shell.isAlive(member)) this.#closeDead(member, nowMs)
      else break
    }
    if (member !== null) {
      this.#use(member)
      this.#shell.taken?.(member)
    }
    this.#fill()
    return member
  }

  /**
   * An idle connection, or else the first that is dialled or given back. Who came first is served first.
   * @throws TidegateError (rejects) `acquire_timeout`, `aborted`, `pool_full` (`maxWaiting`), `pool_closed`; or what a dial failed
   * with: each failure is told to whoever has waited longest.
   */
  async acquire(options: WaitOptions = {}): Promise<Member<T>> {
    const { name, clock } = this.#shell
    if (this.#life !== 'open') throw closedError(name)
    if (options.signal?.aborted) throw abortedError(name, options.signal.reason)
    const ready = this.take()
    if (ready !== null) return ready
    const { maxWaiting } = this.#options
    if (maxWaiting > 0 && this.#waiters.size - this.#room() >= maxWaiting)
      throw fullError(name, `${this.#figures()}, as many as may (maxWaiting)`)
    const waiter = new Waiter<Member<T>>(
      {
        clock,
        what: name,
        lateError: (ms) => lateError(name, ms, this.#figures(), this.#dials.lastError ?? undefined),
        gone: (it) => this.#gone(it),
      },
      options,
    )
    this.#waiters.push(waiter)
    this.#fill()
    return waiter.promise
  }

  /**
   * A connection dialled elsewhere joins the pool, in use. It counts, and may take the pool over `max`; it is not kept then when it is
   * given back.
   */
  adopt(conn: T): Member<T> {
    if (this.#life === 'destroyed') throw closedError(this.#shell.name)
    this.#totals.created++
    const member = new Member(conn, this.#shell.clock.now())
    this.#use(member)
    return member
  }

  /**
   * Ends a use. The connection goes to whoever waits, or becomes idle; one that is dead, too old, used up or not wanted any more is
   * closed. True when it was kept. @throws TidegateError `misuse`: it is not in use.
   */
  giveBack(member: Member<T>): boolean {
    if (this.#life === 'destroyed' && member.place === 'gone') return false
    this.#endUse(member, 'giveBack')
    const nowMs = this.#shell.clock.now()
    if (!this.#shell.isAlive(member)) this.#closeDead(member, nowMs)
    else if (this.#isSpent(member) || this.#idle.isAged(member, nowMs)) this.#close(member, 'expired')
    else if (this.#isFull()) this.#close(member, 'closed')
    else this.#offer(member, nowMs)
    this.#fill()
    return member.place !== 'gone'
  }

  /** Ends a use and closes the connection: it failed, or nobody knows in which state it is. @throws TidegateError `misuse`. */
  discard(member: Member<T>): void {
    if (this.#life === 'destroyed' && member.place === 'gone') return
    this.#endUse(member, 'discard')
    this.#close(member, 'discarded')
    this.#fill()
  }

  /** An idle connection died, or said something. Harmless for one that is not idle. */
  left(member: Member<T>): void {
    if (member.place !== 'idle') return
    this.#idle.remove(member)
    this.#closeDead(member, this.#shell.clock.now())
    this.#fill()
  }

  /**
   * Closes up to `count` idle connections, those first that were idle for longest: somebody else needs their descriptors. Nothing is
   * dialled ahead for a second after that, or until `resume`. Returns how many were closed.
   */
  evictIdle(count: number): number {
    let evicted = 0
    for (; this.#idle.oldest !== null && evicted < count; evicted++)
      this.#closeIdle(this.#idle.oldest, 'evicted')
    if (count > 0) this.#dials.shortage()
    return evicted
  }

  /** One idle connection's slot is needed, as with {@link evictIdle}. Harmless for one that is not idle. */
  evict(member: Member<T>): void {
    if (member.place !== 'idle') return
    this.#closeIdle(member, 'evicted')
    this.#dials.shortage()
  }

  /** There is room again: dials ahead what was evicted. */
  resume(): void {
    this.#dials.resume()
    this.#fill()
  }

  /** For connections to come, and idle ones. @throws TidegateError `value_invalid`; nothing has changed then. */
  setOptions(options: IdlePoolOptions): void {
    checkIdleOptions(options)
    this.#options = options
    const { max } = options
    while (this.#idle.oldest !== null && max > 0 && this.#count() > max)
      this.#closeIdle(this.#idle.oldest, 'closed')
    this.#idle.setOptions(options)
  }

  /**
   * Takes nobody new, serves those that wait, closes what is idle, and resolves when nothing is in use any more. Idempotent.
   */
  drain(): Promise<void> {
    if (this.#life === 'open') this.#life = 'draining'
    this.#closeAllIdle()
    return new Promise((resolve) => {
      this.#drained.push(resolve)
      this.#fill()
    })
  }

  /** At once: closes everything, also what is in use, and rejects whoever waits with `pool_closed`. Idempotent. */
  destroy(): void {
    this.#life = 'destroyed'
    this.#dials.stop()
    this.#closeAllIdle()
    for (let member = this.#inUse.first; member !== null; member = this.#inUse.first) {
      this.#inUse.remove(member)
      this.#close(member, 'closed')
    }
    for (let waiter = this.#waiters.first; waiter !== null; waiter = this.#waiters.first) {
      this.#waiters.remove(waiter)
      waiter.reject(closedError(this.#shell.name))
    }
    this.#fill()
  }

  #count(): number {
    return this.#idle.size + this.#inUse.size + this.#dials.size
  }

  #isFull(): boolean {
    return this.#options.max > 0 && this.#count() >= this.#options.max
  }

  /** How many dials there may be at a time, those under way included. */
  #room(): number {
    const { max } = this.#options
    return max === 0 ? Number.POSITIVE_INFINITY : Math.max(0, max - this.#idle.size - this.#inUse.size)
  }

  #isSpent(member: Member<T>): boolean {
    const { maxUses } = this.#options
    return maxUses > 0 && member.uses >= maxUses
  }

  #use(member: Member<T>): void {
    member.place = 'in_use'
    if (++member.uses > 1) this.#totals.reused++
    this.#totals.taken++
    this.#inUse.push(member)
  }

  #endUse(member: Member<T>, call: string): void {
    if (member.place !== 'in_use') throw misuse(`${call}: the connection is not in use`)
    this.#inUse.remove(member)
  }

  /** To whoever has waited longest, or onto the shelf. */
  #offer(member: Member<T>, nowMs: number): void {
    const waiter = this.#waiters.first
    if (waiter !== null) {
      this.#waiters.remove(waiter)
      this.#use(member)
      waiter.resolve(member)
    } else if (this.#life === 'open') {
      this.#idle.put(member, nowMs)
      this.#shell.idle?.(member)
    } else this.#close(member, 'closed')
  }

  #close(member: Member<T>, cause: CloseCause): void {
    member.place = 'gone'
    if (cause === 'expired') this.#totals.expired++
    else if (cause === 'evicted') this.#totals.evicted++
    else if (cause === 'dead') this.#totals.discarded++
    this.#shell.close(member, cause)
  }

  #closeDead(member: Member<T>, nowMs: number): void {
    if (member.uses === 0) this.#dials.diedUnused(nowMs - member.createdMs)
    this.#close(member, 'dead')
  }

  #closeIdle(member: Member<T>, cause: CloseCause): void {
    this.#idle.remove(member)
    this.#close(member, cause)
  }

  #closeAllIdle(): void {
    while (this.#idle.oldest !== null) this.#closeIdle(this.#idle.oldest, 'closed')
    this.#idle.stop()
  }

  #gone(waiter: Waiter<Member<T>>): void {
    this.#waiters.remove(waiter)
    this.#fill()
  }

  #dialled(error: unknown, conn: T | null): void {
    if (conn !== null) {
      this.#totals.created++
      const nowMs = this.#shell.clock.now()
      const member = new Member(conn, nowMs)
      if (this.#isFull()) this.#close(member, 'closed')
      else this.#offer(member, nowMs)
    } else if (error !== null) this.#dialFailed(error)
    else this.#dials.shortage()
    this.#fill()
  }

  /** Somebody waits without a dial of his own: nobody would tell him. */
  #dialFailed(error: unknown): void {
    this.#totals.dialFailures++
    const waiter = this.#waiters.first
    if (waiter === null || this.#waiters.size <= this.#dials.size) return
    this.#waiters.remove(waiter)
    waiter.reject(functionError('dial', error))
  }

  /** Dials for whoever waits and ahead of need, as far as there is room; called after every change. */
  #fill(): void {
    // A dial that is done before it returns comes back here.
    if (this.#isFilling) return
    this.#isFilling = true
    while (this.#dials.size < this.#wanted()) this.#dials.start()
    this.#isFilling = false
    if (this.#life !== 'open') this.#finish()
  }

  #wanted(): number {
    if (this.#life === 'destroyed') return 0
    const missing = this.#life === 'open' ? this.#options.min - this.#idle.size : 0
    const wanted = this.#waiters.size + (missing > 0 ? this.#dials.ahead(missing) : 0)
    return Math.min(wanted, this.#room())
  }

  #finish(): void {
    this.#dials.cancelAllBut(this.#waiters.size)
    if (this.#inUse.size > 0 || this.#waiters.size > 0) return
    this.#dials.stop()
    for (const resolve of this.#drained.splice(0)) resolve()
  }

  #figures(): string {
    const { max } = this.#options
    const of = max === 0 ? '' : ` of ${max}`
    return `${this.#inUse.size}${of} in use, ${this.#dials.size} being dialled, ${this.#waiters.size} waiting`
  }
}
