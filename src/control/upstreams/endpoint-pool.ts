/**
 * The spare connections of one endpoint on one plane.
 *
 * - prewarm: dialled ahead; each serves one client and is closed
 * - reuse: taken back when its client has left, and given to another one once it is proven clean (reset-exchange.ts), or
 *   once the upstream has been silent for a while, where it is declared stateless
 *
 * Each connection has one of the endpoint's places, from before it is dialled until it is closed.
 */

import type { PoolConfig } from '../../config/config.js'
import type { Address } from '../../core/address.js'
import { formatAddress } from '../../core/address.js'
import type { IdlePoolOptions } from '../../core/pool/idle-options.js'
import { IdlePool, type IdlePoolShell } from '../../core/pool/idle-pool.js'
import type { Member as PoolMember } from '../../core/pool/member.js'
import { nodeClock } from '../../pools/node-clock.js'
import type { Conn, UpstreamLeft } from '../../ports/engine.js'
import type { EndpointHost } from './endpoint.js'
import { whyUnclean } from './reset-exchange.js'

/** A connection of a pool, in use. */
export interface Pooled {
  readonly pool: EndpointPool
  readonly member: PoolMember<Conn>
  /** It waited for its client, and not the other way round. */
  readonly wasReady: boolean
}

/** The endpoint, as its pool knows it. */
interface Owner {
  readonly member: { readonly slot: number; readonly address: Address }
  failed(error: Error, isRefusal: boolean): void
  worked(): void
}

const TELL_EVERY_MS = 60_000

/** Who may have a connection, and by which proof. */
const rulesOf = ({ mode, reset, stateless }: PoolConfig): string => JSON.stringify([mode, reset, stateless])

export class EndpointPool {
  readonly #owner: Owner
  readonly #host: EndpointHost
  readonly #pool: IdlePool<Conn>
  readonly #rules: string
  #isClosed = false
  /** When it was last told that one was not proven clean, and how many were since. */
  #toldAt = Number.NEGATIVE_INFINITY
  #untold = 0

  constructor(owner: Owner, host: EndpointHost) {
    this.#owner = owner
    this.#host = host
    this.#rules = rulesOf(this.#config)
    this.#pool = new IdlePool(this.#options(), this.#shell(owner.member.address))
  }

  /** One that is ready. */
  take(): Pooled | null {
    if (this.#pool.idle === 0) return null
    const member = this.#pool.take()
    return member === null ? null : { pool: this, member, wasReady: true }
  }

  /** One that was ready has its client. */
  serves({ uses }: PoolMember<Conn>): void {
    this.#host.board.count(this.#owner.member.slot, uses > 1 ? 'reused' : 'spare')
  }

  /** One that was dialled for a client: with `reuse` it may come back. */
  adopt(conn: Conn): Pooled | null {
    if (this.#config.mode !== 'reuse') return null
    return { pool: this, member: this.#pool.adopt(conn), wasReady: false }
  }

  /** It is closed, or to be closed. */
  discard(member: PoolMember<Conn>): void {
    this.#pool.discard(member)
  }

  /** Its client has left. `left`: as the link found it. */
  takeBack(member: PoolMember<Conn>, left: UpstreamLeft): void {
    if (left !== 'clean') return this.#unclean(member)
    if (!this.#wants(member)) return this.#pool.discard(member)
    const { board, plane } = this.#host
    const { slot } = this.#owner.member
    board.addResetting(plane, slot, 1)
    void this.#whyUnclean(member.conn).then((why) => {
      board.addResetting(plane, slot, -1)
      if (why !== null) this.#unproven(member, why)
      else if (this.#wants(member)) this.#pool.giveBack(member)
      else this.#pool.discard(member)
    })
  }

  #unclean(member: PoolMember<Conn>): void {
    this.#host.board.count(this.#owner.member.slot, 'unclean')
    member.conn.destroy()
    this.#pool.discard(member)
  }

  /** A wrong recipe fails each time: one line a minute says so. */
  #unproven(member: PoolMember<Conn>, why: string): void {
    this.#unclean(member)
    this.#untold++
    const now = this.#host.now()
    if (!this.#isClosed) this.#host.board.noteFailure(this.#owner.member.slot, 'unclean', now)
    // A connection that its pool closed, or is closing, proves nothing.
    if (this.#isClosed || now - this.#toldAt < TELL_EVERY_MS) return
    const times = this.#untold === 1 ? '' : ` (${this.#untold} times)`
    const message = `a connection was not proven clean, and closed${times}: ${why}`
    this.#host.news.turned(this.#host.settings.name, this.#owner.member.slot, { to: 'unclean', message })
    this.#toldAt = now
    this.#untold = 0
  }

  evictIdle(count: number): number {
    return this.#pool.idle === 0 ? 0 : this.#pool.evictIdle(Math.min(count, this.#pool.idle))
  }

  evictAll(): void {
    this.evictIdle(this.#pool.idle)
  }

  /** The settings want connections kept in another way than it does. */
  get hasOtherRules(): boolean {
    return rulesOf(this.#config) !== this.#rules
  }

  settingsChanged(): void {
    this.#pool.setOptions(this.#options())
    const { board, settings, share } = this.#host
    const { maxConnections } = settings
    const overMax = this.#pool.idle - Math.max(share(this.#config.max), share(this.#config.min))
    const overAll = maxConnections === 0 ? 0 : board.open(this.#owner.member.slot) - maxConnections
    const surplus = Math.max(overMax, overAll)
    if (surplus > 0) this.evictIdle(surplus)
  }

  /** Closes what is idle, and the rest when it is given back. */
  close(): void {
    void this.#pool.drain()
    this.#isClosed = true
  }

  get #config(): PoolConfig {
    return this.#host.settings.pool
  }

  #wants({ uses }: PoolMember<Conn>): boolean {
    const { maxUses } = this.#options()
    if (this.#isClosed) return false
    return this.#pool.idle < this.#host.share(this.#config.max) && (maxUses === 0 || uses < maxUses)
  }

  #options(): IdlePoolOptions {
    const { min, idleTimeoutMs, maxAgeMs, maxUses, mode } = this.#config
    return {
      min: this.#host.share(min),
      // Places limit that.
      max: 0,
      maxWaiting: 0,
      idleTimeoutMs,
      maxAgeMs,
      maxUses: mode === 'prewarm' ? 1 : maxUses,
    }
  }

  #shell(address: Address): IdlePoolShell<Conn> {
    const { engine, board, plane } = this.#host
    const { slot } = this.#owner.member
    const tellIdle = (): void => {
      // From then on the figure is that of the pool that came in its place.
      if (!this.#isClosed) board.setIdle(plane, slot, this.#pool.idle)
    }
    const givePlace = (): void => {
      board.givePlace(plane, slot)
      this.#host.roomMade()
    }
    return {
      name: `the pool of ${formatAddress(address)}`,
      clock: nodeClock,
      dial: (done) => {
        // Clients wait for places, or may soon for descriptors: spare connections are not for now.
        const isNotNow = board.queue.waiting > 0 || !engine.hasSpare()
        if (isNotNow || !board.takePlace(plane, slot, this.#host.settings.maxConnections)) {
          done(null, null)
          return () => {}
        }
        const dial = engine.dial(address, this.#host.settings.dial, (error, conn) => {
          if (conn === null) {
            board.count(slot, 'failed')
            if (error !== null) this.#owner.failed(error, false)
            givePlace()
          } else {
            board.count(slot, 'connected')
            if (!board.hasNoFailures(slot) && !board.lastWasRefusal(slot)) this.#owner.worked()
          }
          done(error, conn)
        })
        return () => {
          dial.cancel()
          givePlace()
        }
      },
      // What a server says first is for its first client.
      isAlive: ({ conn, uses }) => conn.isIdleAndAlive() || (uses === 0 && conn.left() === 'unread'),
      idle: (member) => {
        tellIdle()
        member.conn.watch(() => this.#pool.left(member))
        this.#host.roomMade()
      },
      taken: ({ conn }) => {
        tellIdle()
        conn.watch(null)
      },
      close: ({ conn, uses }, cause) => {
        // It said something when its client had left and it was clean already.
        const served = cause === 'discarded' ? uses - 1 : uses
        if (served > 0 && conn.left() === 'unread') board.count(slot, 'unclean')
        tellIdle()
        conn.watch(null)
        conn.destroy()
        givePlace()
      },
    }
  }

  async #whyUnclean(conn: Conn): Promise<string | null> {
    const { reset } = this.#config
    if (reset !== null) return whyUnclean(conn, reset)
    const left = await conn.confirm()
    return left === 'clean' ? null : `it is ${left.replace('_', '-')}`
  }
}
