/** Connections of a program to one address: ready, proven clean, and never too many. */

import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { formatAddress } from '../core/address.js'
import type { Clock } from '../core/pool/clock.js'
import type { IdlePoolCounters } from '../core/pool/counters.js'
import { abortedError, lateError, misuse } from '../core/pool/errors.js'
import { type CloseCause, IdlePool } from '../core/pool/idle-pool.js'
import type { Member } from '../core/pool/member.js'
import type { WaitOptions } from '../core/pool/waiter.js'
import { messageOf, TidegateError } from '../errors.js'
import type { Channel } from './channel.js'
import { type Dialer, tcpDialer } from './dialers.js'
import { nodeClock } from './node-clock.js'
import {
  type ConnectionPoolLimits,
  type ConnectionPoolOptions,
  changedLimits,
  type Limits,
  readOptions,
} from './options.js'
import { freeSupply, type Supply, slotSupply } from './supply.js'
import { warn } from './warn.js'

/** One use of a connection: `await using conn = await pool.acquire()` gives it back at the end of the block. */
export interface PooledConnection<C extends Duplex> extends AsyncDisposable {
  readonly socket: C
  /** How often it was acquired, this time included. */
  readonly uses: number
  /**
   * Gives it back: every answer has been read. Listeners that were put on the socket are taken off. One that is not clean is closed.
   * @throws TidegateError `misuse`: it was given back or destroyed already.
   */
  release(): void
  /** Closes it: it failed, or is in the middle of something. @throws TidegateError `misuse`. */
  destroy(): void
}

export interface ConnectionPoolEvents<C extends Duplex> {
  /** Listeners that are put on the socket now stay; those of a later user go when it is given back. */
  connected: [socket: C]
  acquired: [socket: C]
  released: [socket: C]
  /**
   * `dead`: it ended, failed or spoke out of turn; `expired`: age, idle time, uses; `evicted`: its slot was needed; `discarded`: by its user;
   * `closed`: with the pool, or over a lowered maximum.
   */
  closed: [socket: C, cause: CloseCause]
  dialFailed: [error: TidegateError]
}

export class ConnectionPool<C extends Duplex = Socket>
  extends EventEmitter<ConnectionPoolEvents<C>>
  implements AsyncDisposable
{
  readonly #name: string
  readonly #clock: Clock
  readonly #supply: Supply<C>
  readonly #pool: IdlePool<Channel<C>>
  readonly #members = new Map<Channel<C>, Member<Channel<C>>>()
  /** Those whose descriptor is not gone yet. */
  readonly #open = new Set<Channel<C>>()
  #limits: Limits

  /** Starts dialling ahead. @throws TidegateError `value_invalid`, `address_invalid`. */
  constructor(options: ConnectionPoolOptions<C>) {
    super()
    const { address, limits } = readOptions(options)
    this.#name = `the pool of ${formatAddress(address)}`
    this.#clock = options.clock ?? nodeClock
    this.#limits = limits
    const source = {
      address,
      // Without a dialer, C is what it is by default.
      dialer: options.dial ?? (tcpDialer() as unknown as Dialer<C>),
      clock: this.#clock,
      connectTimeoutMs: () => this.#limits.connectTimeoutMs,
    }
    this.#supply =
      options.slots === undefined
        ? freeSupply(source)
        : slotSupply(source, options.slots, {
            wantsMore: () => this.#pool.wantsMore,
            waiting: () => this.#pool.counters().waiting,
            evicted: (channel) => this.#evicted(channel),
          })
    this.#pool = new IdlePool(limits, {
      name: this.#name,
      clock: this.#clock,
      dial: (done, isAhead) =>
        this.#supply.dial((error, channel) => {
          if (channel !== null) this.#connected(channel)
          else if (error !== null) this.#dialFailed(error)
          done(error, channel)
        }, isAhead),
      isAlive: ({ conn }) => conn.isClean,
      close: ({ conn }, cause) => {
        this.#members.delete(conn)
        this.#supply.close(conn)
        this.#tell('closed', conn.socket, cause)
      },
      idle: (member) => {
        this.#members.set(member.conn, member)
        member.conn.watch(() => this.#pool.left(member))
        this.#supply.idle(member.conn)
      },
      taken: (member) => this.#supply.taken(member.conn),
    })
  }

  counters(): IdlePoolCounters {
    return this.#pool.counters()
  }

  /**
   * A connection that is open and silent: an idle one, or the first that is dialled or given back. Who came first is served first.
   * @param options `timeoutMs`: instead of the pool's `acquireTimeoutMs`; 0: no limit.
   * @throws TidegateError (rejects) `acquire_timeout`, `aborted`, `pool_full` (`maxWaiting`), `pool_closed`; or what a dial failed
   * with: `connection_refused`, `dial_timeout`, `name_not_found`, `dial_failed`, …
   */
  async acquire(options: WaitOptions = {}): Promise<PooledConnection<C>> {
    const { timeoutMs = this.#limits.acquireTimeoutMs, signal } = options
    const untilMs = this.#clock.now() + timeoutMs
    for (let leftMs = timeoutMs; timeoutMs === 0 || leftMs > 0; leftMs = untilMs - this.#clock.now()) {
      const member = await this.#next({ timeoutMs: leftMs, ...(signal === undefined ? {} : { signal }) })
      if (!(await this.#isProven(member))) continue
      if (signal?.aborted) {
        this.#giveBack(member)
        throw abortedError(this.#name, signal.reason)
      }
      this.#tell('acquired', member.conn.socket)
      return this.#lease(member)
    }
    throw lateError(this.#name, timeoutMs, 'what it had was dead')
  }

  /**
   * Acquires a connection for the time of one call: given back when `run` resolves, closed when it throws.
   * @throws TidegateError (rejects) as `acquire`; whatever `run` throws.
   */
  async use<R>(run: (socket: C) => R | Promise<R>, options: WaitOptions = {}): Promise<R> {
    const connection = await this.acquire(options)
    try {
      const result = await run(connection.socket)
      connection.release()
      return result
    } catch (thrown) {
      connection.destroy()
      throw thrown
    }
  }

  /** Changes what is given, at once. @throws TidegateError `value_invalid`; nothing has changed then. */
  setOptions(limits: ConnectionPoolLimits): void {
    const changed = changedLimits(this.#limits, limits)
    this.#pool.setOptions(changed)
    this.#limits = changed
  }

  /**
   * Closes up to `count` idle connections, those idle for longest first, and dials none ahead for a second: their descriptors are
   * needed elsewhere. Returns how many it closed.
   */
  evictIdle(count: number): number {
    return this.#pool.evictIdle(count)
  }

  /**
   * Takes nobody new, serves those that wait, closes what is idle, and resolves when all connections have been given back and closed.
   * Idempotent.
   */
  async drain(): Promise<void> {
    await this.#pool.drain()
    await this.#allClosed()
  }

  /** Closes everything at once, also what is in use; whoever waits gets `pool_closed`. Resolves when all are closed. Idempotent. */
  async destroy(): Promise<void> {
    this.#pool.destroy()
    await this.#allClosed()
  }

  /** As {@link drain}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.drain()
  }

  async #allClosed(): Promise<void> {
    await Promise.all([...this.#open].map(({ closed }) => closed))
  }

  async #next(options: WaitOptions): Promise<Member<Channel<C>>> {
    try {
      return await this.#pool.acquire(options)
    } catch (thrown) {
      this.#supply.trim()
      throw thrown
    }
  }

  /**
   * What an idle connection's peer did is known only after Node has polled its sockets. The first immediate may come right after the
   * poll that is going on now; between it and the second there is one. A connection just dialled is taken as it is.
   */
  async #isProven(member: Member<Channel<C>>): Promise<boolean> {
    const { conn } = member
    if (member.uses > 1 || conn.wasIdle) {
      conn.watch(() => {})
      await setImmediate()
      await setImmediate()
      conn.unwatch()
    }
    if (conn.isClean) return true
    if (member.place === 'in_use') this.#pool.giveBack(member)
    return false
  }

  #lease(member: Member<Channel<C>>): PooledConnection<C> {
    let isOver = false
    const end = (call: string): void => {
      if (isOver) throw misuse(`${call}: the connection was given back or destroyed already`)
      isOver = true
    }
    return {
      socket: member.conn.socket,
      uses: member.uses,
      release: () => {
        end('release')
        this.#release(member)
      },
      destroy: () => {
        end('destroy')
        this.#pool.discard(member)
      },
      [Symbol.asyncDispose]: async () => {
        if (!isOver) this.#release(member)
        isOver = true
      },
    }
  }

  #release(member: Member<Channel<C>>): void {
    member.conn.reset()
    this.#tell('released', member.conn.socket)
    this.#giveBack(member)
  }

  #giveBack(member: Member<Channel<C>>): void {
    if (this.#supply.mustYield()) this.#pool.discard(member)
    else this.#pool.giveBack(member)
    this.#supply.trim()
  }

  #connected(channel: Channel<C>): void {
    this.#open.add(channel)
    void channel.closed.then(() => this.#open.delete(channel))
    // At once: nothing of the pool is under way here, and listeners that are put on the socket now are to stay.
    this.#emit('connected', channel.socket)
    channel.keepListeners()
  }

  #dialFailed(error: unknown): void {
    if (error instanceof TidegateError) this.#tell('dialFailed', error)
  }

  #evicted(channel: Channel<C>): void {
    const member = this.#members.get(channel)
    if (member !== undefined) this.#pool.evict(member)
  }

  /** After what is going on, so that a listener may call the pool, and one that throws breaks nothing. */
  #tell<K extends keyof ConnectionPoolEvents<C>>(event: K, ...args: ConnectionPoolEvents<C>[K]): void {
    if (this.listenerCount(event) === 0) return
    process.nextTick(() => this.#emit(event, ...args))
  }

  #emit<K extends keyof ConnectionPoolEvents<C>>(event: K, ...args: ConnectionPoolEvents<C>[K]): void {
    try {
      this.emit<keyof ConnectionPoolEvents<C>>(event, ...args)
    } catch (thrown) {
      warn(`a listener for '${event}' of ${this.#name} threw: ${messageOf(thrown)}`)
    }
  }
}
