import { describe, expect, it } from 'vitest'
import { ResourcePool, type ResourcePoolOptions } from '../../../src/core/pool/resource-pool.js'
import { FakeClock } from '../../../src/testing/fake-clock.js'

/** Lets everything that promises bring about happen. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const setup = (max: number, more: Partial<ResourcePoolOptions> = {}) => {
  const clock = new FakeClock()
  const pool = new ResourcePool({ max, ...more }, clock)
  const world = { existing: 0, peak: 0, allocated: 0, released: 0, log: [] as string[] }
  const create = (name: string) =>
    pool.create({
      allocate: () => {
        world.existing++
        world.allocated++
        world.peak = Math.max(world.peak, world.existing)
        return name
      },
      release: (value) => {
        world.existing--
        world.released++
        world.log.push(`released ${value}`)
      },
    })
  const many = (count: number) => Array.from({ length: count }, (_, i) => create(String(i)))
  return { clock, pool, world, create, many }
}

/** Resolved, rejected or pending: by now. */
const outcome = async (promise: Promise<unknown>): Promise<string> => {
  let is = 'pending'
  promise.then(
    () => {
      is = 'resolved'
    },
    (error) => {
      is = error.code ?? String(error)
    },
  )
  await settle()
  return is
}

const hanging = () => {
  const calls: { signal: AbortSignal; resolve: () => void; reject: (error: Error) => void }[] = []
  const allocate = (signal: AbortSignal) =>
    new Promise<void>((resolve, reject) => void calls.push({ signal, resolve, reject }))
  return { calls, allocate }
}

describe('a resource pool', () => {
  it('gives a lease with what was allocated, and keeps it unused after put', async () => {
    const { pool, create, world } = setup(2)
    const a = create('a')
    const lease = await a.get()
    expect(lease.value).toBe('a')
    expect(pool.metrics()).toEqual({ maximum: 2, inUse: 1, unused: 0, releasing: 0, waiting: 0 })
    lease.put()
    expect(pool.metrics()).toEqual({ maximum: 2, inUse: 0, unused: 1, releasing: 0, waiting: 0 })
    await a.get()
    expect(world.allocated).toBe(1)
  })

  it('puts a lease at the end of its block, once, whatever was done with it inside', async () => {
    const { pool, create } = setup(2)
    const a = create('a')
    {
      await using lease = await a.get()
      expect(lease.value).toBe('a')
    }
    expect(a.state).toBe('unused')
    {
      await using lease = await a.get()
      lease.put()
      await a.get()
    }
    expect(a.state).toBe('held')
    expect(pool.metrics().inUse).toBe(1)
  })

  it.each([
    ['under its capacity', 10, 7],
    ['at its capacity', 10, 10],
  ])('allocates each once when it is used %s', async (_, max, count) => {
    const { many, pool, world } = setup(max)
    const resources = many(count)
    for (let round = 0; round < 300; round++)
      for (const resource of resources) {
        await resource.get()
        resource.put()
      }
    expect(world).toMatchObject({ allocated: count, peak: count })
    expect(pool.metrics()).toMatchObject({ inUse: 0, unused: count, waiting: 0 })
  })

  it('never has more than its maximum when it is used far over its capacity, thousands of times', async () => {
    const { many, pool, world } = setup(8)
    const resources = many(100)
    await Promise.all(
      resources.map(async (resource, i) => {
        for (let round = 0; round < 50; round++) {
          const lease = await resource.get()
          await (i % 3 === 0 ? settle() : null)
          if (i % 7 === 0) await lease.release()
          else lease.put()
        }
      }),
    )
    expect(world.peak).toBe(8)
    expect(pool.metrics()).toMatchObject({ inUse: 0, releasing: 0, waiting: 0 })
    await pool.drain()
    expect(world.existing).toBe(0)
  })

  it('allocates anew after each release, thousands of times', async () => {
    const { many, pool, world } = setup(3)
    const resources = many(5)
    for (let round = 0; round < 500; round++)
      for (const resource of resources) {
        await resource.get()
        await resource.release()
      }
    expect(world).toMatchObject({ allocated: 2500, released: 2500, existing: 0, peak: 1 })
    expect(pool.metrics()).toMatchObject({ inUse: 0, unused: 0, releasing: 0, waiting: 0 })
  })

  it('releases the one that was unused for longest to make room', async () => {
    const { many, world } = setup(3)
    const [a, b, c, d] = many(4)
    for (const resource of [a!, b!, c!]) {
      await resource.get()
      resource.put()
    }
    await a!.get()
    a!.put()
    await d!.get()
    expect(world.log).toEqual(['released 1'])
    expect([a!.state, b!.state, c!.state]).toEqual(['unused', 'empty', 'unused'])
  })

  it('serves those that wait in the order they came, and passes one that has given up', async () => {
    const { many, pool } = setup(1)
    const [a, b, c, d] = many(4)
    await a!.get()
    const order: string[] = []
    const stop = new AbortController()
    const second = b!.get({ signal: stop.signal })
    const others = [c!, d!].map((resource) => resource.get().then(({ value }) => order.push(value)))
    expect(pool.metrics().waiting).toBe(3)
    stop.abort()
    await expect(second).rejects.toMatchObject({ code: 'aborted', fault: 'usage' })
    expect(pool.metrics().waiting).toBe(2)
    a!.put()
    await settle()
    c!.put()
    await Promise.all(others)
    expect(order).toEqual(['2', '3'])
    expect(b!.state).toBe('empty')
  })

  it('gives up after the timeout with the figures, and takes nothing', async () => {
    const { clock, many, pool } = setup(1)
    const [a, b] = many(2)
    await a!.get()
    const late = b!.get({ timeoutMs: 50 })
    clock.elapse(49)
    expect(await outcome(late)).toBe('pending')
    clock.elapse(1)
    await expect(late).rejects.toMatchObject({
      code: 'acquire_timeout',
      retryable: true,
      message: 'the resource pool had nothing free within 50 ms: 1 of 1 slots are taken, 1 wait',
    })
    a!.put()
    expect(pool.metrics()).toMatchObject({ inUse: 0, unused: 1, waiting: 0 })
    expect(clock.pending).toBe(0)
  })

  it('refuses a signal that was aborted before', async () => {
    const { create, world } = setup(1)
    await expect(create('a').get({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' })
    expect(world.allocated).toBe(0)
  })

  it('takes only what is free, if that is asked for: waits for nobody and releases nobody', async () => {
    const { many, world } = setup(1)
    const [a, b] = many(2)
    await a!.get({ onlyIfFree: true })
    a!.put()
    await expect(b!.get({ onlyIfFree: true })).rejects.toMatchObject({ code: 'pool_full' })
    expect(world.released).toBe(0)
    expect(b!.state).toBe('empty')
  })

  it('releases a marked one at the next put, once only', async () => {
    const { create, world } = setup(1)
    const a = create('a')
    await a.get()
    a.scheduleRelease()
    expect(world.released).toBe(0)
    a.put()
    await settle()
    expect(world.released).toBe(1)
    await a.get()
    a.put()
    await settle()
    expect(world.released).toBe(1)
    a.scheduleRelease()
    await settle()
    expect(world.released).toBe(2)
    a.scheduleRelease()
    expect(a.state).toBe('empty')
  })

  it('refuses misuse', async () => {
    const { create, pool } = setup(1)
    const a = create('a')
    expect(() => a.put()).toThrow(expect.objectContaining({ code: 'misuse' }))
    const lease = await a.get()
    await expect(a.get()).rejects.toMatchObject({ code: 'misuse' })
    lease.put()
    expect(() => a.put()).toThrow(expect.objectContaining({ code: 'misuse' }))
    const later = await a.get()
    expect(() => lease.put()).toThrow(expect.objectContaining({ code: 'misuse' }))
    await expect(lease.release()).rejects.toMatchObject({ code: 'misuse' })
    expect(a.state).toBe('held')
    later.put()
    const { calls, allocate } = hanging()
    const b = pool.create({ allocate, release: () => {} })
    const pending = b.get()
    await expect(b.get()).rejects.toMatchObject({ code: 'misuse' })
    await expect(b.release()).rejects.toMatchObject({ code: 'misuse' })
    calls[0]!.resolve()
    await pending
    const c = create('c')
    const waiting = c.get()
    await expect(c.get()).rejects.toMatchObject({ code: 'misuse' })
    b.put()
    await waiting
  })

  it.each([[0], [-1], [1.5], [Number.NaN]])('refuses a maximum of %d', (max) => {
    expect(() => setup(max)).toThrow(
      expect.objectContaining({
        code: 'value_invalid',
        message: expect.stringContaining(`max: ${max} is not a whole number from 1 on`),
      }),
    )
  })
})

describe('a failed allocation', () => {
  it('gives its slot to the next that waits, and tells who asked', async () => {
    const { create, pool } = setup(1)
    const failing = pool.create({
      allocate: () => Promise.reject(new Error('no luck')),
      release: () => {},
    })
    const first = failing.get()
    const second = create('b').get()
    await expect(first).rejects.toMatchObject({ code: 'hook_failed', message: 'allocate failed: no luck' })
    expect((await second).value).toBe('b')
    expect(failing.state).toBe('empty')
    await expect(failing.get({ timeoutMs: 0, signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'aborted',
    })
  })

  it('gives its slot back also when allocate throws at once', async () => {
    const { pool } = setup(1)
    const failing = pool.create({
      allocate: () => {
        throw new Error('no luck')
      },
      release: () => {},
    })
    for (let i = 0; i < 3; i++) await expect(failing.get()).rejects.toMatchObject({ code: 'hook_failed' })
    expect(pool.metrics()).toMatchObject({ inUse: 0, waiting: 0 })
  })
})

describe('an allocation that nobody waits for any more', () => {
  it('is told so, keeps its slot until it is over, and is kept unused if it succeeds', async () => {
    const { pool, clock } = setup(1)
    const { calls, allocate } = hanging()
    const a = pool.create({ allocate, release: () => {} })
    const late = a.get({ timeoutMs: 10 })
    clock.elapse(10)
    await expect(late).rejects.toMatchObject({ code: 'acquire_timeout' })
    expect(calls[0]!.signal.aborted).toBe(true)
    expect(pool.metrics().inUse).toBe(1)
    calls[0]!.resolve()
    await settle()
    expect(a.state).toBe('unused')
    expect(clock.pending).toBe(0)
  })

  it('is handed to a later get of the same resource', async () => {
    const { pool, clock } = setup(1)
    const { calls, allocate } = hanging()
    const a = pool.create({ allocate, release: () => {} })
    a.get({ timeoutMs: 10 }).catch(() => {})
    clock.elapse(10)
    const again = a.get()
    calls[0]!.resolve()
    await again
    expect(calls).toHaveLength(1)
    expect(pool.metrics()).toMatchObject({ inUse: 1, waiting: 0 })
  })

  it('loses its slot after the grace, and what it makes later is released', async () => {
    const { pool, clock, create } = setup(1, { graceMs: 1000 })
    const { calls, allocate } = hanging()
    let released = 0
    const a = pool.create({ allocate, release: () => void released++ })
    a.get({ timeoutMs: 10 }).catch(() => {})
    const other = create('b').get()
    await clock.advance(1009)
    expect(await outcome(other)).toBe('pending')
    await clock.advance(1)
    expect(await outcome(other)).toBe('resolved')
    calls[0]!.resolve()
    await settle()
    expect(released).toBe(1)
    expect(pool.metrics()).toMatchObject({ inUse: 1, unused: 0 })
  })
})

describe('a release', () => {
  it('that fails gives its slot back all the same, and is told to whoever awaits it', async () => {
    const told: string[] = []
    const { pool, create } = setup(1, { onReleaseError: ({ message }) => told.push(message) })
    const bad = pool.create({
      allocate: () => {},
      release: () => {
        throw new Error('stuck')
      },
    })
    await bad.get()
    await expect(bad.release()).rejects.toMatchObject({
      code: 'hook_failed',
      message: 'release failed: stuck',
    })
    await bad.get()
    bad.put()
    await create('b').get()
    expect(told).toEqual(['release failed: stuck'])
  })

  it('that hangs loses its slot after the grace', async () => {
    const told: string[] = []
    const { pool, create, clock } = setup(1, { graceMs: 500, onReleaseError: (e) => told.push(e.message) })
    const bad = pool.create({ allocate: () => {}, release: () => new Promise<void>(() => {}) })
    await bad.get()
    bad.put()
    const other = create('b').get()
    const again = expect(bad.get({ timeoutMs: 400 })).rejects.toMatchObject({ code: 'acquire_timeout' })
    expect(pool.metrics()).toMatchObject({ releasing: 1, waiting: 2 })
    await clock.advance(499)
    await again
    expect(await outcome(other)).toBe('pending')
    await clock.advance(1)
    expect(await outcome(other)).toBe('resolved')
    expect(told).toEqual(['release failed: not done in 500 ms'])
    expect(pool.metrics()).toMatchObject({ inUse: 1, releasing: 0, waiting: 0 })
  })

  it('is finished before the same resource is allocated again', async () => {
    const { pool, create } = setup(2)
    const log: string[] = []
    let finish = () => {}
    const a = pool.create({
      allocate: () => void log.push('allocate'),
      release: () =>
        new Promise<void>((resolve) => {
          finish = () => {
            log.push('released')
            resolve()
          }
        }),
    })
    await a.get()
    const released = a.release()
    expect(a.release()).toBeInstanceOf(Promise)
    const again = a.get()
    await create('b').get()
    expect(log).toEqual(['allocate'])
    finish()
    await Promise.all([released, again])
    expect(log).toEqual(['allocate', 'released', 'allocate'])
  })
})

describe('the end of a pool', () => {
  it('drain serves those that wait, takes nobody new, and resolves when the last is put', async () => {
    const { many, pool, world } = setup(1)
    const [a, b, c] = many(3)
    await a!.get()
    const waiting = b!.get()
    const drained = pool.drain()
    await expect(c!.get()).rejects.toMatchObject({ code: 'pool_closed' })
    a!.put()
    const lease = await waiting
    expect(await outcome(drained)).toBe('pending')
    lease.put()
    await drained
    await pool.drain()
    expect(world.existing).toBe(0)
  })

  it('destroy rejects those that wait, stops what is being allocated, and releases also what is held', async () => {
    const { many, pool, world } = setup(3)
    const [a, b, c, d] = many(4)
    const { calls, allocate } = hanging()
    const lease = await a!.get()
    await b!.get()
    b!.put()
    const allocating = pool.create({ allocate, release: () => {} }).get()
    await c!.get()
    const waiting = d!.get()
    const destroyed = pool.destroy()
    await expect(allocating).rejects.toMatchObject({ code: 'pool_closed' })
    await expect(waiting).rejects.toMatchObject({ code: 'pool_closed' })
    expect(calls[0]!.signal.aborted).toBe(true)
    expect(await outcome(destroyed)).toBe('pending')
    calls[0]!.reject(new Error('aborted'))
    await destroyed
    await pool.destroy()
    expect(world.existing).toBe(0)
    lease.put()
    a!.put()
    await lease.release()
    expect(world.released).toBe(world.allocated)
  })

  it('destroy after drain ends what drain waits for', async () => {
    const { create, pool } = setup(1)
    await create('a').get()
    const drained = pool.drain()
    await pool.destroy()
    await drained
  })
})
