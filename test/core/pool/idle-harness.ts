/** A pool of connections that exist in a test only: each dial waits until the test says what came of it. */

import type { DialDone } from '../../../src/core/pool/dials.js'
import type { IdlePoolOptions } from '../../../src/core/pool/idle-options.js'
import { IdlePool } from '../../../src/core/pool/idle-pool.js'
import { FakeClock } from '../../../src/testing/fake-clock.js'

export interface FakeConn {
  readonly id: number
  isAlive: boolean
  isClosed: boolean
}

export interface FakeDial {
  readonly isAhead: boolean
  succeed(): FakeConn
  fail(error?: Error): void
  giveUp(): void
}

export const OPTIONS: IdlePoolOptions = {
  min: 0,
  max: 0,
  maxWaiting: 0,
  idleTimeoutMs: 0,
  maxAgeMs: 0,
  maxUses: 0,
}

export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export const setup = (
  options: Partial<IdlePoolOptions> = {},
  answer: 'later' | 'at once' | 'refused' = 'later',
) => {
  const clock = new FakeClock()
  const dials: FakeDial[] = []
  const closed: string[] = []
  const open = new Set<FakeConn>()
  let nextId = 1
  const stats = { dialled: 0, cancelled: 0, peak: 0 }
  const newConn = (): FakeConn => {
    const conn = { id: nextId++, isAlive: true, isClosed: false }
    open.add(conn)
    return conn
  }
  const start = (done: DialDone<FakeConn>, isAhead: boolean): (() => void) => {
    stats.dialled++
    const end = (): void => {
      const at = dials.indexOf(dial)
      if (at !== -1) dials.splice(at, 1)
    }
    const dial: FakeDial = {
      isAhead,
      succeed: () => {
        end()
        const conn = newConn()
        done(null, conn)
        return conn
      },
      fail: (error = new Error('refused')) => {
        end()
        done(error, null)
      },
      giveUp: () => {
        end()
        done(null, null)
      },
    }
    dials.push(dial)
    stats.peak = Math.max(stats.peak, open.size + dials.length)
    if (answer === 'at once') dial.succeed()
    else if (answer === 'refused') dial.fail()
    return () => {
      stats.cancelled++
      end()
    }
  }
  const pool = new IdlePool<FakeConn>(
    { ...OPTIONS, ...options },
    {
      name: 'the pool',
      clock,
      dial: start,
      isAlive: ({ conn }) => conn.isAlive,
      close: ({ conn }, cause) => {
        if (conn.isClosed) throw new Error(`${conn.id} is closed twice`)
        conn.isClosed = true
        open.delete(conn)
        closed.push(`${conn.id} ${cause}`)
      },
    },
  )
  const succeedAll = (): void => {
    while (dials.length > 0) dials[0]!.succeed()
  }
  return { clock, pool, dials, closed, open, stats, succeedAll }
}
