/**
 * Where a pool's connections come from and go to: straight from the dialer, or through the slots that several pools share.
 */

import type { Duplex } from 'node:stream'
import type { Address } from '../core/address.js'
import type { Cancel, Clock } from '../core/pool/clock.js'
import type { DialDone } from '../core/pool/dials.js'
import type { Resource } from '../core/pool/resource.js'
import type { ResourcePool } from '../core/pool/resource-pool.js'
import { dialTimeout } from '../engine/shared/errors.js'
import { TidegateError } from '../errors.js'
import { Channel } from './channel.js'
import { anyDialError, type Dialer } from './dialers.js'

export interface Source<C extends Duplex> {
  readonly address: Address
  readonly dialer: Dialer<C>
  readonly clock: Clock
  readonly connectTimeoutMs: () => number
}

export interface Supply<C extends Duplex> {
  dial(done: DialDone<Channel<C>>, isAhead: boolean): Cancel
  /** It is idle: its slot may be taken. */
  idle(channel: Channel<C>): void
  /** It is in use again. */
  taken(channel: Channel<C>): void
  close(channel: Channel<C>): void
  /** Somebody has left, or was served: dials that wait for a slot, and that nobody needs any more, leave the queue. */
  trim(): void
  /** Whether what is given back should go, because others wait for its slot. */
  mustYield(): boolean
}

/** One outcome for a dial, whatever comes first; a connection that comes too late is closed. */
class Attempt<C extends Duplex> {
  readonly #source: Source<C>
  readonly #done: DialDone<Channel<C>>
  readonly stop = new AbortController()
  #cancelTimer: Cancel | null = null
  #isOver = false

  constructor(source: Source<C>, done: DialDone<Channel<C>>) {
    this.#source = source
    this.#done = done
  }

  /** Rejects with what the dialer throws; closes what comes after the attempt was stopped. */
  async connect(signal: AbortSignal): Promise<Channel<C>> {
    const { address, dialer, clock, connectTimeoutMs } = this.#source
    const timeoutMs = connectTimeoutMs()
    if (timeoutMs > 0)
      this.#cancelTimer = clock.after(timeoutMs, () => {
        this.finish(dialTimeout(address, timeoutMs), null)
        this.stop.abort()
      })
    try {
      const channel = new Channel(await dialer({ address, signal }))
      if (!this.#isOver && !signal.aborted) return channel
      channel.destroy()
      throw new Error('it came too late')
    } finally {
      this.#cancelTimer?.()
    }
  }

  /** False when it was given up just before: nobody takes the channel. */
  finish(error: unknown, channel: Channel<C> | null): boolean {
    if (!this.#end()) return false
    this.#done(error === null ? null : anyDialError(this.#source.address, error), channel)
    return true
  }

  cancel(): void {
    if (this.#end()) this.stop.abort()
  }

  #end(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.#cancelTimer?.()
    return true
  }
}

export const freeSupply = <C extends Duplex>(source: Source<C>): Supply<C> => ({
  dial(done) {
    const attempt = new Attempt(source, done)
    attempt.connect(attempt.stop.signal).then(
      (channel) => {
        if (!attempt.finish(null, channel)) channel.destroy()
      },
      (error) => void attempt.finish(error, null),
    )
    return () => attempt.cancel()
  },
  idle: () => {},
  taken: () => {},
  close: (channel) => channel.destroy(),
  trim: () => {},
  mustYield: () => false,
})

/** So many times in a row a connection goes to those who wait for the same place, while others wait for its slot. */
const TURNS_IN_A_ROW = 32

export interface Tenant<C extends Duplex> {
  /** Whether another connection would be of use. */
  wantsMore(): boolean
  /** How many wait for one. */
  waiting(): number
  /** The slot of this idle connection is needed: it is being closed. */
  evicted(channel: Channel<C>): void
}

/** Nobody needs the dial any more whose turn it is. */
const NOT_NEEDED = new TidegateError('aborted', 'the connection is not needed any more', {
  fault: 'internal',
})

export const slotSupply = <C extends Duplex>(
  source: Source<C>,
  slots: ResourcePool,
  tenant: Tenant<C>,
): Supply<C> => {
  /** Those that have no slot yet. */
  const queued = new Set<Attempt<C>>()
  let turns = 0
  return {
    dial(done, isAhead) {
      const attempt = new Attempt(source, done)
      queued.add(attempt)
      const resource: Resource<Channel<C>> = slots.create<Channel<C>>({
        allocate: (signal) => {
          queued.delete(attempt)
          if (!isAhead && !tenant.wantsMore()) throw NOT_NEEDED
          return attempt.connect(signal)
        },
        release: async (channel) => {
          tenant.evicted(channel)
          channel.destroy()
          await channel.closed
        },
      })
      resource.get({ signal: attempt.stop.signal, onlyIfFree: isAhead }).then(
        ({ value }) => {
          value.resource = resource
          if (!attempt.finish(null, value)) void resource.release().catch(() => {})
        },
        (error) => {
          queued.delete(attempt)
          const isNobodysFault =
            error === NOT_NEEDED || (error instanceof TidegateError && error.code === 'pool_full')
          attempt.finish(isNobodysFault ? null : error, null)
        },
      )
      return () => {
        queued.delete(attempt)
        attempt.cancel()
      }
    },
    trim() {
      if (queued.size === 0) return
      for (const attempt of [...queued].slice(tenant.waiting())) {
        queued.delete(attempt)
        attempt.finish(null, null)
        attempt.stop.abort()
      }
    },
    idle: ({ resource }) => resource?.put(),
    taken: (channel) => {
      // Only a resource pool that is closing says no, and it has closed this connection then.
      if (channel.resource?.tryGet() === null) channel.destroy()
    },
    // A failure would be one of `release` above, which has none.
    close: (channel) => void channel.resource?.release().catch(() => {}),
    mustYield() {
      turns = slots.metrics().waiting > queued.size ? turns + 1 : 0
      if (turns <= TURNS_IN_A_ROW) return false
      turns = 0
      return true
    },
  }
}
