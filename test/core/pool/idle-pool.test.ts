import { describe, expect, it } from 'vitest'
import { OPTIONS, setup } from './idle-harness.js'

/** `count` connections, idle, the first dialled idle for longest. */
const filled = (count: number, options = {}) => {
  const all = setup()
  const members = Array.from({ length: count }, (_, i) =>
    all.pool.adopt({ id: i + 1, isAlive: true, isClosed: false }),
  )
  for (const member of members) all.pool.giveBack(member)
  all.pool.setOptions({ ...OPTIONS, ...options })
  return { ...all, members }
}

describe('taking', () => {
  it('gives the connection that was put back last, and null when there is none', () => {
    const { pool, members } = filled(3)
    expect(pool.take()).toBe(members[2])
    expect(pool.take()).toBe(members[1])
    pool.giveBack(members[2]!)
    expect(pool.take()).toBe(members[2])
    expect(pool.take()).toBe(members[0])
    expect(pool.take()).toBeNull()
    expect(pool.counters()).toMatchObject({ idle: 0, inUse: 3, reused: 4, taken: 7, created: 3 })
  })

  it('discards those that are dead, and gives the next that is alive', () => {
    const { pool, members, closed } = filled(3)
    members[2]!.conn.isAlive = false
    members[1]!.conn.isAlive = false
    expect(pool.take()).toBe(members[0])
    expect(closed).toEqual(['3 dead', '2 dead'])
    expect(pool.counters()).toMatchObject({ discarded: 2, idle: 0, inUse: 1 })
  })

  it('does not give one that is too old', () => {
    const { pool, clock, closed } = filled(1, { maxAgeMs: 100 })
    clock.elapse(99)
    const member = pool.take()!
    pool.giveBack(member)
    expect(closed).toEqual([])
    pool.take()
    clock.elapse(1)
    pool.giveBack(member)
    expect(closed).toEqual(['1 expired'])
  })

  it('closes one after its last use', () => {
    const { pool, members, closed } = filled(1, { maxUses: 2 })
    expect(pool.giveBack(pool.take()!)).toBe(false)
    expect(closed).toEqual(['1 expired'])
    expect(members[0]!.uses).toBe(2)
  })

  it('does not keep what is dead when it is given back', () => {
    const { pool, closed } = filled(1)
    const member = pool.take()!
    member.conn.isAlive = false
    expect(pool.giveBack(member)).toBe(false)
    expect(closed).toEqual(['1 dead'])
  })

  it('refuses misuse', () => {
    const { pool } = filled(1)
    const member = pool.take()!
    pool.giveBack(member)
    const misuse = expect.objectContaining({ code: 'misuse' })
    expect(() => pool.giveBack(member)).toThrow(misuse)
    expect(() => pool.discard(member)).toThrow(misuse)
    pool.discard(pool.take()!)
    expect(() => pool.giveBack(member)).toThrow(misuse)
    expect(pool.counters()).toMatchObject({ idle: 0, inUse: 0 })
  })
})

describe('waiting', () => {
  it('dials for whoever finds none, and serves in the order they came', async () => {
    const { pool, dials } = setup({ max: 2 })
    const order: number[] = []
    const served = [1, 2, 3].map((i) =>
      pool.acquire().then((member) => {
        order.push(i)
        return member
      }),
    )
    expect(dials.map(({ isAhead }) => isAhead)).toEqual([false, false])
    dials[1]!.succeed()
    dials[0]!.succeed()
    const first = await served[0]!
    expect(pool.counters()).toMatchObject({ inUse: 2, waiting: 1, dialling: 0 })
    pool.giveBack(first)
    await Promise.all(served)
    expect(order).toEqual([1, 2, 3])
    expect(pool.counters()).toMatchObject({ created: 2, taken: 3, reused: 1 })
  })

  it('takes one that is given back before the dial is done; the dial becomes an idle connection', async () => {
    const { pool, dials } = setup()
    const mine = pool.adopt({ id: 100, isAlive: true, isClosed: false })
    const waiting = pool.acquire()
    pool.giveBack(mine)
    expect(await waiting).toBe(mine)
    dials[0]!.succeed()
    expect(pool.counters()).toMatchObject({ idle: 1, inUse: 1 })
  })

  it('tells a failed dial to whoever has waited longest, and dials again for the others', async () => {
    const { pool, dials } = setup({ max: 1 })
    const refused = expect(pool.acquire()).rejects.toMatchObject({
      code: 'hook_failed',
      message: 'dial failed: refused',
    })
    const second = pool.acquire()
    dials[0]!.fail()
    await refused
    expect(dials).toHaveLength(1)
    dials[0]!.succeed()
    await second
    expect(pool.counters()).toMatchObject({ dialFailures: 1, inUse: 1 })
  })

  it('tells nobody of a dial that nobody needs', async () => {
    const { pool, dials } = setup({ min: 1 })
    const waiting = pool.acquire()
    expect(dials).toHaveLength(2)
    dials[0]!.fail()
    dials[0]!.succeed()
    await waiting
  })

  it('ends with the timeout and the figures, or with the signal, and leaves the dial to the next', async () => {
    const { pool, dials, clock } = setup({ max: 1 })
    const late = expect(pool.acquire({ timeoutMs: 30 })).rejects.toMatchObject({
      code: 'acquire_timeout',
      message: 'the pool had nothing free within 30 ms: 0 of 1 in use, 1 being dialled, 2 waiting',
    })
    const stop = new AbortController()
    const stopped = expect(pool.acquire({ signal: stop.signal })).rejects.toMatchObject({ code: 'aborted' })
    clock.elapse(30)
    stop.abort()
    await Promise.all([late, stopped])
    expect(pool.counters()).toMatchObject({ waiting: 0, dialling: 1 })
    const next = pool.acquire()
    expect(dials).toHaveLength(1)
    dials[0]!.succeed()
    await next
    expect(clock.pending).toBe(0)
  })

  it('is refused at once when too many wait already; who can have a dial does not count', async () => {
    const { pool, stats } = setup({ max: 2, maxWaiting: 1 })
    const three = [pool.acquire(), pool.acquire(), pool.acquire()]
    await expect(pool.acquire()).rejects.toMatchObject({ code: 'pool_full', retryable: true })
    expect(stats.dialled).toBe(2)
    pool.destroy()
    for (const one of three) await expect(one).rejects.toMatchObject({ code: 'pool_closed' })
  })
})

describe('connections dialled ahead', () => {
  it('are there from the start, and topped up at once when one is taken', () => {
    const { pool, dials, succeedAll } = setup({ min: 3 })
    expect(dials.map(({ isAhead }) => isAhead)).toEqual([true, true, true])
    succeedAll()
    expect(pool.counters()).toMatchObject({ idle: 3, dialling: 0 })
    const member = pool.take()!
    expect(pool.counters()).toMatchObject({ idle: 2, inUse: 1, dialling: 1 })
    succeedAll()
    pool.giveBack(member)
    expect(pool.counters()).toMatchObject({ idle: 4, inUse: 0, dialling: 0 })
  })

  it('never take the pool over its maximum', () => {
    const { pool, succeedAll, stats } = setup({ min: 2, max: 3 })
    succeedAll()
    pool.take()
    succeedAll()
    pool.take()
    succeedAll()
    expect(pool.counters()).toMatchObject({ idle: 1, inUse: 2, dialling: 0 })
    expect(stats.peak).toBe(3)
  })

  it('are tried again with growing pauses while the dial fails, one at a time, all after a success', () => {
    const { dials, clock, stats, succeedAll, pool } = setup({ min: 3 })
    for (const dial of [...dials]) dial.fail()
    expect(dials).toHaveLength(0)
    for (const pause of [100, 200, 400, 800]) {
      clock.elapse(pause - 1)
      expect(dials).toHaveLength(0)
      clock.elapse(1)
      expect(dials).toHaveLength(1)
      dials[0]!.fail()
    }
    for (let i = 0; i < 20; i++) {
      clock.elapse(30_000)
      dials[0]!.fail()
    }
    expect(stats.dialled).toBe(27)
    clock.elapse(30_000)
    dials[0]!.succeed()
    expect(dials).toHaveLength(2)
    succeedAll()
    expect(pool.counters()).toMatchObject({ idle: 3, dialFailures: 27 })
    pool.take()
    dials[0]!.fail()
    clock.elapse(99)
    expect(dials).toHaveLength(0)
    clock.elapse(1)
    expect(dials).toHaveLength(1)
  })

  it('are not tried in a loop when the dial fails at once', () => {
    const { stats, clock } = setup({ min: 5 }, 'refused')
    expect(stats.dialled).toBe(1)
    clock.elapse(60_000)
    expect(stats.dialled).toBeLessThan(12)
  })

  it('back off as well from a server that accepts only to hang up', () => {
    const { pool, dials, clock, stats } = setup({ min: 1 })
    let at = 0
    for (let i = 0; i < 300_000 / 50; i++) {
      for (const dial of [...dials]) {
        const conn = dial.succeed()
        // The harness knows conns, the pool members: the one that is idle is it.
        conn.isAlive = false
        expect(pool.take()).toBeNull()
        at++
      }
      clock.elapse(50)
    }
    expect(at).toBe(stats.dialled)
    expect(stats.dialled).toBeLessThan(25)
    expect(stats.dialled).toBeGreaterThan(8)
  })

  it('replace one that died while idle, at once', () => {
    const { pool, succeedAll, clock, closed, members } = filled(1, { min: 1 })
    clock.elapse(5000)
    pool.left(members[0]!)
    expect(closed).toEqual(['1 dead'])
    succeedAll()
    expect(pool.counters()).toMatchObject({ idle: 1, discarded: 1 })
    pool.left(members[0]!)
    expect(pool.counters()).toMatchObject({ idle: 1, discarded: 1 })
  })

  it('are not dialled when the shell has no room for them, until it has', () => {
    const { pool, dials, clock } = setup({ min: 2 })
    dials[0]!.giveUp()
    expect(dials).toHaveLength(1)
    dials[0]!.succeed()
    expect(pool.counters()).toMatchObject({ idle: 1, dialling: 0, dialFailures: 0 })
    clock.elapse(1000)
    expect(dials).toHaveLength(1)
    dials[0]!.giveUp()
    pool.resume()
    expect(dials).toHaveLength(1)
  })
})

describe('the end of idle connections', () => {
  it('comes to those beyond min after the idle time, the oldest first', () => {
    const { pool, clock, closed } = filled(3, { min: 1, idleTimeoutMs: 100 })
    clock.elapse(60)
    pool.giveBack(pool.take()!)
    clock.elapse(39)
    expect(closed).toEqual([])
    clock.elapse(1)
    expect(closed).toEqual(['1 expired', '2 expired'])
    clock.elapse(1000)
    expect(pool.counters()).toMatchObject({ idle: 1, expired: 2 })
  })

  it('does not come, for each use, to one that is needed now and then', () => {
    const { pool, clock, succeedAll, stats } = setup({ min: 2, idleTimeoutMs: 100 })
    succeedAll()
    for (let i = 0; i < 200; i++) {
      const member = pool.take()!
      succeedAll()
      clock.elapse(10)
      pool.giveBack(member)
      clock.elapse(20)
    }
    expect(stats.dialled).toBe(3)
  })

  it('comes to all of them with their age, and those of min are dialled anew', () => {
    const { pool, clock, closed, succeedAll, dials } = filled(2, { min: 2, maxAgeMs: 500 })
    clock.elapse(499)
    expect(closed).toEqual([])
    clock.elapse(1)
    expect(closed).toEqual(['1 expired', '2 expired'])
    expect(dials).toHaveLength(2)
    succeedAll()
    expect(pool.counters().idle).toBe(2)
  })

  it('leaves no timer behind', () => {
    const { pool, clock } = filled(2, { idleTimeoutMs: 100, maxAgeMs: 300 })
    clock.elapse(1000)
    expect(pool.counters().idle).toBe(0)
    expect(clock.pending).toBe(0)
  })

  it('comes to the oldest when descriptors are needed, and none is dialled ahead for a while', () => {
    const { pool, closed, dials, clock } = filled(4, { min: 3 })
    expect(pool.evictIdle(2)).toBe(2)
    expect(closed).toEqual(['1 evicted', '2 evicted'])
    expect(dials).toHaveLength(0)
    pool.giveBack(pool.take()!)
    clock.elapse(999)
    expect(dials).toHaveLength(0)
    expect(pool.evictIdle(10)).toBe(2)
    clock.elapse(999)
    expect(dials).toHaveLength(0)
    clock.elapse(1)
    expect(dials).toHaveLength(3)
    expect(pool.counters().evicted).toBe(4)
  })

  it('resumes dialling ahead when it is told there is room', () => {
    const { pool, dials } = filled(2, { min: 2 })
    pool.evictIdle(2)
    pool.resume()
    expect(dials).toHaveLength(2)
  })

  it('evicts one by itself', () => {
    const { pool, members, closed } = filled(2)
    pool.evict(members[1]!)
    pool.evict(members[1]!)
    expect(closed).toEqual(['2 evicted'])
  })
})

describe('new options', () => {
  it('apply at once: more are dialled ahead, or those over the maximum closed', () => {
    const { pool, dials, closed } = filled(3)
    pool.setOptions({ ...OPTIONS, min: 5 })
    expect(dials).toHaveLength(2)
    pool.setOptions({ ...OPTIONS, max: 4 })
    expect(closed).toEqual(['1 closed'])
    pool.setOptions({ ...OPTIONS, idleTimeoutMs: 10 })
    expect(pool.counters().idle).toBe(2)
  })

  it('do not keep what comes back over the maximum', () => {
    const { pool, closed, members } = filled(3)
    while (pool.take() !== null);
    pool.setOptions({ ...OPTIONS, max: 2 })
    for (const member of members) pool.giveBack(member)
    expect(closed).toEqual(['1 closed'])
  })

  it('are refused with the figures when they contradict each other, and change nothing', () => {
    const invalid = (message: string) => expect.objectContaining({ code: 'value_invalid', message })
    expect(() => setup({ min: 11, max: 10 })).toThrow(invalid('min: 11 is over max, which is 10'))
    expect(() => setup({ maxUses: -1 })).toThrow(invalid('maxUses: -1 is not a whole number from 0 on'))
    const { pool } = filled(1)
    expect(() => pool.setOptions({ ...OPTIONS, min: 3, max: 2 })).toThrow()
    expect(pool.options).toEqual(OPTIONS)
  })
})

describe('the end of the pool', () => {
  it('drain serves those that wait, then closes what is given back, and cancels dials ahead', async () => {
    const { pool, dials, closed, clock } = setup({ min: 1, max: 3 })
    dials[0]!.succeed()
    const member = pool.take()!
    const waiting = pool.acquire()
    const drained = pool.drain()
    expect(dials).toHaveLength(1)
    await expect(pool.acquire()).rejects.toMatchObject({ code: 'pool_closed', message: 'the pool is closed' })
    expect(pool.take()).toBeNull()
    dials[0]!.succeed()
    pool.giveBack(await waiting)
    expect(closed).toEqual(['2 closed'])
    pool.giveBack(member)
    await drained
    await pool.drain()
    expect(clock.pending).toBe(0)
    expect(dials).toHaveLength(0)
  })

  it('destroy closes everything at once and rejects those that wait', async () => {
    const { pool, dials, closed, clock } = setup({ min: 1, max: 2, idleTimeoutMs: 100 })
    dials[0]!.succeed()
    const member = pool.take()!
    const waiting = [pool.acquire(), pool.acquire()]
    const drained = pool.drain()
    pool.destroy()
    pool.destroy()
    for (const one of waiting) await expect(one).rejects.toMatchObject({ code: 'pool_closed' })
    await drained
    expect(closed).toEqual(['1 closed'])
    expect(dials).toHaveLength(0)
    expect(pool.giveBack(member)).toBe(false)
    pool.discard(member)
    expect(() => pool.adopt(member.conn)).toThrow(expect.objectContaining({ code: 'pool_closed' }))
    expect(clock.pending).toBe(0)
  })
})
