import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { WriteQueue, type WriteQueueOptions } from '../../../src/core/resource/write-queue.js'

const CONTEXT = { listenType: 1, fromIp: 'a', toIp: 'b', fromTo: 'a...b' }
const NOTHING = new Uint8Array(0)

/** A queue whose writes say what they did, and end when the test says so. */
const watched = (options: WriteQueueOptions = {}) => {
  const errors: unknown[] = []
  const queue = new WriteQueue({ ...options, onError: (error) => errors.push(error) })
  const begun: number[] = []
  const open: ((error?: Error) => void)[] = []
  let atOnce = 0
  let most = 0
  const add = (index: number): Promise<void> =>
    queue.addItem(
      NOTHING,
      index,
      () => {
        begun.push(index)
        most = Math.max(most, ++atOnce)
        return new Promise<void>((resolve, reject) => {
          open.push((error) => {
            atOnce--
            if (error === undefined) resolve()
            else reject(error)
          })
        })
      },
      CONTEXT,
    )
  const end = async (error?: Error): Promise<void> => {
    open.shift()?.(error)
    await turn()
  }
  return { queue, begun, errors, add, end, most: () => most }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Whether it has settled by now. */
const isSettled = async (promise: Promise<unknown>): Promise<boolean> => {
  let settled = false
  const note = (): void => {
    settled = true
  }
  promise.then(note, note)
  await turn()
  return settled
}

const codeOf = (error: unknown): unknown => (error instanceof Object && 'code' in error ? error.code : error)

/** Any order in which the indices below `count` can arrive. */
const arrivals = (maxCount: number) =>
  fc.integer({ min: 0, max: maxCount }).chain((count) => {
    const indices = Array.from({ length: count }, (_, index) => index)
    return fc.shuffledSubarray(indices, { minLength: count, maxLength: count })
  })

describe('the order of writes', () => {
  it('is that of the indices, one at a time, whatever the order of arrival and the pace of the writes', async () => {
    await fc.assert(
      fc.asyncProperty(
        arrivals(40),
        fc.array(fc.constantFrom('sync', 'throw', 'turn', 'reject'), { minLength: 40, maxLength: 40 }),
        async (order, paces) => {
          const done: number[] = []
          const errors: number[] = []
          let atOnce = 0
          const queue = new WriteQueue({ maxItems: 40, onError: (_error, index) => errors.push(index) })
          const write = (index: number) => () => {
            expect(atOnce).toBe(0)
            done.push(index)
            const pace = paces[index]
            if (pace === 'sync') return undefined
            if (pace === 'throw') throw new Error('no')
            atOnce++
            return Promise.resolve().then(() => {
              atOnce--
              if (pace === 'reject') throw new Error('no')
            })
          }
          for (const index of order) await queue.addItem(NOTHING, index, write(index), CONTEXT)
          await queue.drain()
          const sorted = order.toSorted((a, b) => a - b)
          expect(done).toEqual(sorted)
          expect(errors).toEqual(sorted.filter((index) => ['throw', 'reject'].includes(paces[index] ?? '')))
          expect(queue.failures).toBe(errors.length)
        },
      ),
    )
  })

  it('holds also when more arrive than it has room for, as long as the missing ones are within its window', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 8 }),
        fc.array(fc.nat(), { maxLength: 60 }),
        async (maxItems, picks) => {
          const done: number[] = []
          const queue = new WriteQueue({ maxItems })
          const write = (index: number) => async () => {
            await Promise.resolve()
            done.push(index)
          }
          // Out of order by less than the window.
          const order = picks
            .map((pick, index) => ({ pick, index, block: Math.floor(index / maxItems) }))
            .toSorted((a, b) => a.block - b.block || a.pick - b.pick)
          const added: Promise<void>[] = []
          for (const { index } of order) {
            added.push(queue.addItem(NOTHING, index, write(index), CONTEXT))
            expect(queue.waiting).toBeLessThanOrEqual(maxItems + 1)
          }
          await Promise.all(added)
          await queue.drain()
          expect(done).toEqual(picks.map((_pick, index) => index))
        },
      ),
    )
  })

  it('lets a write add the next item itself', async () => {
    const done: number[] = []
    const queue = new WriteQueue()
    const add = (index: number): void => {
      void queue.addItem(
        NOTHING,
        index,
        () => {
          done.push(index)
          if (index < 5) add(index + 1)
        },
        CONTEXT,
      )
    }
    add(0)
    await queue.drain()
    expect(done).toEqual([0, 1, 2, 3, 4, 5])
  })

  it('hands on data and context, and begins where it is told to', async () => {
    const got: unknown[] = []
    const queue = new WriteQueue({ firstIndex: 7 })
    const data = Uint8Array.of(1, 2)
    await queue.addItem(data, 7, (...all) => got.push(all), CONTEXT)
    expect(got).toEqual([[data, CONTEXT]])
    expect(queue.currentIndex).toBe(8)
  })
})

describe('a full queue', () => {
  it('lets its callers wait until there is room', async () => {
    const { add, begun, end, queue } = watched({ maxItems: 2 })
    await add(0)
    await add(1)
    await add(2)
    const late = add(3)
    expect(await isSettled(late)).toBe(false)
    expect(queue.waiting).toBe(2)
    await end()
    expect(await isSettled(late)).toBe(true)
    for (let i = 0; i < 3; i++) await end()
    expect(begun).toEqual([0, 1, 2, 3])
  })

  it('always lets in the one whose turn it is', async () => {
    const { add, begun, end } = watched({ maxItems: 1 })
    await add(0)
    await add(2)
    await add(1)
    await end()
    await end()
    expect(begun).toEqual([0, 1, 2])
  })

  it('does not wait for ever for an index that never comes: gives it up, says so, and refuses it afterwards', async () => {
    const { add, begun, end, errors, queue } = watched({ maxItems: 2 })
    await add(2)
    await add(3)
    expect(begun).toEqual([])
    await add(4)
    expect(begun).toEqual([2])
    expect(errors.map(codeOf)).toEqual(['index_missing'])
    expect(String(errors[0])).toContain('indices 0 to 1 never came')
    await expect(add(1)).rejects.toMatchObject({ code: 'index_missing' })
    for (let i = 0; i < 3; i++) await end()
    expect(begun).toEqual([2, 3, 4])
    expect(queue.currentIndex).toBe(5)
  })
})

describe('drain', () => {
  it('waits for the write under way, gives up what is missing, and needs nothing when all is done', async () => {
    const { add, begun, end, errors, queue } = watched()
    await queue.drain()
    await add(0)
    await add(2)
    const drained = queue.drain()
    expect(await isSettled(drained)).toBe(false)
    await end()
    expect(begun).toEqual([0, 2])
    expect(errors.map(codeOf)).toEqual(['index_missing'])
    expect(await isSettled(drained)).toBe(false)
    await end()
    expect(await isSettled(drained)).toBe(true)
  })
})

describe('drain under load', () => {
  it('resolves when what had come before it is written, though more keeps coming', async () => {
    const { add, end, queue } = watched({ maxItems: 2 })
    for (const index of [0, 1, 2, 3]) void add(index)
    const drained = queue.drain()
    for (let index = 4; index < 7; index++) {
      void add(index)
      await end()
      expect(await isSettled(drained)).toBe(false)
    }
    void add(7)
    await end()
    expect(await isSettled(drained)).toBe(true)
    expect(queue.currentIndex).toBe(5)
  })
})

describe('bad use', () => {
  it('refuses an index that is there already, was done, or is no index', async () => {
    const { add, end } = watched()
    await add(1)
    await expect(add(1)).rejects.toMatchObject({ code: 'misuse' })
    await add(0)
    await expect(add(0)).rejects.toMatchObject({ code: 'index_missing' })
    await expect(add(-1)).rejects.toMatchObject({ code: 'misuse' })
    await expect(add(0.5)).rejects.toMatchObject({ code: 'misuse' })
    await end()
    await end()
  })

  it('refuses bounds that are none', () => {
    expect(() => new WriteQueue({ maxItems: 0 })).toThrow('maxItems is 0')
    expect(() => new WriteQueue({ firstIndex: -1 })).toThrow('firstIndex is -1')
  })

  it('survives an error handler that throws', async () => {
    const queue = new WriteQueue({
      onError: () => {
        throw new Error('worse')
      },
    })
    const done: number[] = []
    const fail = () => {
      throw new Error('no')
    }
    await queue.addItem(NOTHING, 0, fail, CONTEXT)
    await queue.addItem(NOTHING, 1, () => done.push(1), CONTEXT)
    expect(done).toEqual([1])
    expect(queue.failures).toBe(1)
  })
})
