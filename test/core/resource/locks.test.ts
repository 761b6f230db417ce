import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressPath } from '../../../src/core/resource/address-path.js'
import { Lock } from '../../../src/core/resource/lock.js'
import { LockGroup } from '../../../src/core/resource/lock-group.js'

describe('a lock', () => {
  it('is one owner’s at a time, first come, first served, however the owners interleave', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.integer({ min: 1, max: 12 }), async (scheduler, owners) => {
        const lock = new Lock()
        const order: number[] = []
        let inside = 0
        const all = Array.from({ length: owners }, (_, owner) =>
          lock.run(async () => {
            expect(++inside).toBe(1)
            expect(lock.isLocked).toBe(true)
            order.push(owner)
            await scheduler.schedule(Promise.resolve(), `owner ${owner}`)
            inside--
          }),
        )
        const ended = Promise.all(all)
        await scheduler.waitFor(ended)
        expect(order).toEqual(order.toSorted((a, b) => a - b))
        expect(order.length).toBe(owners)
        expect(lock.isLocked).toBe(false)
      }),
    )
  })

  it('is let go of by its owner alone: an unlock that is called again unlocks nobody else', async () => {
    const lock = new Lock()
    const first = await lock.acquire()
    const second = lock.acquire()
    first()
    const unlock = await second
    first()
    expect(lock.isLocked).toBe(true)
    unlock()
    expect(lock.isLocked).toBe(false)
  })

  it('is let go of when the work fails', async () => {
    const lock = new Lock()
    await expect(lock.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(lock.isLocked).toBe(false)
  })

  it('gives out each index once', () => {
    const lock = new Lock()
    expect([lock.increaseGetIndex(), lock.increaseGetIndex(), lock.getIndex()]).toEqual([0, 1, 2])
  })

  it('takes a value once', () => {
    const lock = new Lock()
    expect(lock.other).toBeUndefined()
    expect(() => lock.updateOther(undefined)).toThrow('no value')
    lock.updateOther(null)
    expect(() => lock.updateOther(1)).toThrow('has a value already')
    expect(lock.other).toBe(null)
  })

  it('counts its users and never below none', () => {
    const lock = new Lock()
    lock.addRelease()
    lock.addRelease()
    expect(lock.canRelease()).toBe(false)
    expect(() => lock.release(3)).toThrow('3 cannot be released: 2 use the lock')
    expect(() => lock.release(-1)).toThrow()
    lock.release(2)
    expect(lock.canRelease()).toBe(true)
  })
})

const IPV4 = fc.tuple(fc.nat(2), fc.nat(2), fc.nat(1), fc.nat(1)).map((parts) => parts.join('.'))

describe('a group of locks', () => {
  it('gives one lock per address, and forgets exactly what is neither used nor held', async () => {
    const step = fc.record({
      address: IPV4,
      does: fc.constantFrom('use', 'release', 'lock', 'unlock', 'check'),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const group = new LockGroup()
        /** What should be: users, and how it is unlocked. */
        const model = new Map<string, { lock: Lock; users: number; unlock: (() => void) | null }>()
        for (const { address, does } of steps) {
          const known = model.get(address)
          if (does === 'check') {
            const expected = [...model].filter(([, { users, unlock }]) => users === 0 && unlock === null)
            expect(new Set(group.checkLocks().map((each) => each.lock))).toEqual(
              new Set(expected.map(([, { lock }]) => lock)),
            )
            for (const [idle, { lock }] of expected) {
              model.delete(idle)
              expect(() => lock.addRelease()).toThrow('has been reclaimed')
              await expect(lock.acquire()).rejects.toThrow('has been reclaimed')
            }
            expect(group.size).toBe(model.size)
            continue
          }
          const lock = group.getLock(address)
          if (known !== undefined) expect(lock).toBe(known.lock)
          const entry = known ?? { lock, users: 0, unlock: null }
          model.set(address, entry)
          if (does === 'use') {
            lock.addRelease()
            entry.users++
          } else if (does === 'release' && entry.users > 0) {
            lock.release()
            entry.users--
          } else if (does === 'lock' && entry.unlock === null) entry.unlock = await lock.acquire()
          else if (does === 'unlock') {
            entry.unlock?.()
            entry.unlock = null
          }
          expect(lock.users).toBe(entry.users)
          expect(lock.isLocked).toBe(entry.unlock !== null)
        }
        expect(group.size).toBe(model.size)
        expect(group.canDestroy()).toBe(
          [...model.values()].every(({ users, unlock }) => users === 0 && unlock === null),
        )
      }),
    )
  })

  it('is a tree: a group has what is below it', () => {
    const root = new LockGroup()
    root.getLock('10.0.0.7').addRelease()
    root.getLock('10.0.1.7')
    root.getLock('10.0.0.7:80').addRelease()
    const network = root.getLockedGroup('10.0')
    expect(network.size).toBe(3)
    expect(root.getLockedGroup('10.0.0').size).toBe(2)
    expect(network.parent?.parent).toBe(root)
    expect(network.getLock('0.7')).toBe(root.getLock('10.0.0.7'))
    expect(root.checkLocks().map(({ address }) => address)).toEqual(['10.0.1.7'])
    expect(() => root.destroy()).toThrow('used or held')
    root.getLock('10.0.0.7').release()
    root.getLock('10.0.0.7:80').release()
    expect(root.canDestroy()).toBe(true)
    root.destroy()
    expect(() => root.getLock('10.0.0.7')).toThrow('destroyed')
    expect(() => network.getLock('9.9')).toThrow('destroyed')
  })

  it('keeps a group whose own lock is held, and says that one it has forgotten is', async () => {
    const root = new LockGroup()
    const group = root.getLockedGroup('10.0')
    const unlock = await group.defaultLock.acquire()
    root.checkLocks()
    expect(root.getLockedGroup('10.0')).toBe(group)
    unlock()
    root.checkLocks()
    expect(() => group.getLock('0.7')).toThrow('destroyed')
    expect(root.getLockedGroup('10.0')).not.toBe(group)
  })

  it('refuses an address that is too deep', () => {
    expect(() => new LockGroup({ maxDepth: 3 }).getLock('10.0.0.7')).toThrow(
      "'10.0.0.7' has more than 3 parts",
    )
  })
})

describe('the parts of an address', () => {
  it.each([
    ['10.0.0.7:80', ['10', '0', '0', '7', '80']],
    ['10.0', ['10', '0']],
    ['[2001:db8::7]:443', ['2001', 'db8', '0', '0', '0', '0', '0', '7', '443']],
    ['2001:db8::7', ['2001', 'db8', '0', '0', '0', '0', '0', '7']],
    ['::1', ['0', '0', '0', '0', '0', '0', '0', '1']],
    ['fe80::1%eth0', ['fe80', '0', '0', '0', '0', '0', '0', '1', '%eth0']],
    ['a:b:c', ['a:b:c']],
    ['db.example:5432', ['db.example', '5432']],
    ['tenant a', ['tenant a']],
    ['unix:/run/db.sock', ['unix:/run/db.sock']],
    ['', ['']],
  ])('of %s', (address, parts) => {
    expect(addressPath(address)).toEqual(parts)
  })
})
