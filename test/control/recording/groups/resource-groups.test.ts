import { describe, expect, it } from 'vitest'
import { Arrivals } from '../../../../src/control/recording/groups/arrivals.js'
import { ResourceGroups } from '../../../../src/control/recording/groups/resource-groups.js'
import { decodeStamp, encodeStamp } from '../../../../src/control/recording/groups/stamp.js'
import { SILENT } from '../../../../src/ports/logger.js'

const stampOf = (group: number | null, owner: number, serial: number) => ({
  group: group ?? -1,
  owner,
  serial,
  listener: 'one',
})

/** A group that counts its closings. */
const group = () => {
  const made = {
    closes: 0,
    getResource: () => ({ resource: {} }),
    close: () => {
      made.closes++
    },
  }
  return made
}

describe('a group that was replaced', () => {
  const swapped = (opened: readonly (readonly [number, number])[]) => {
    const [old, next] = [group(), group()]
    const groups = new ResourceGroups(SILENT)
    groups.set(old)
    const number = groups.numberOf('one')
    const first = groups.opened(stampOf(number, 0, 1))!
    groups.set(next)
    groups.settle(new Map(opened))
    return { groups, old, next, number, first }
  }

  it('is closed when the last of its connections is over', () => {
    const { groups, old, first } = swapped([[0, 1]])
    expect(old.closes).toBe(0)
    groups.ended(first)
    expect(old.closes).toBe(1)
  })

  it('waits for connections that opened before the swap and have not arrived yet, in whatever order', () => {
    const { groups, old, number, first } = swapped([
      [0, 3],
      [1, 1],
    ])
    groups.ended(first)
    const third = groups.opened(stampOf(number, 0, 3))!
    groups.ended(third)
    groups.ended(groups.opened(stampOf(number, 1, 1))!)
    expect(old.closes).toBe(0)
    const second = groups.opened(stampOf(number, 0, 2))!
    expect(second).not.toBe(null)
    expect(old.closes).toBe(0)
    groups.ended(second)
    expect(old.closes).toBe(1)
  })

  it('does not wait for a seat that is gone, whose number may be another’s then', () => {
    const { groups, old, first, number } = swapped([
      [0, 1],
      [1, 5],
    ])
    groups.ended(first)
    groups.seatLeft(1)
    expect(old.closes).toBe(1)
    expect(groups.opened(stampOf(number, 1, 1))).toBe(null)
  })

  it('is not closed if it is taken back, and cannot be once it is closed', async () => {
    const { groups, old, next, first } = swapped([[0, 1]])
    groups.set(old)
    groups.settle(new Map([[0, 1]]))
    groups.ended(first)
    expect([old.closes, next.closes]).toEqual([0, 1])
    expect(() => groups.set(next)).toThrow('has been closed')
    await groups.closeAll(1000)
    expect([old.closes, next.closes]).toEqual([1, 1])
  })

  it('is not closed either if its last connection ends while it is being taken back', () => {
    const { groups, old, first } = swapped([[0, 1]])
    groups.set(old)
    groups.ended(first)
    expect(old.closes).toBe(0)
    groups.settle(new Map([[0, 1]]))
    expect(old.closes).toBe(0)
  })

  it('may be one listener’s alone', () => {
    const [all, own] = [group(), group()]
    const groups = new ResourceGroups(SILENT)
    groups.set(all)
    groups.set(own, 'two')
    expect(groups.numberOf('one')).not.toBe(groups.numberOf('two'))
    groups.set(null, 'two')
    expect(groups.numberOf('two')).toBe(null)
    groups.settle(new Map())
    expect([all.closes, own.closes]).toEqual([0, 1])
    groups.set(null)
    expect(groups.numberOf('one')).toBe(null)
  })
})

describe('at the end', () => {
  const two = () => {
    const [one, other] = [group(), group()]
    const groups = new ResourceGroups(SILENT)
    groups.set(one)
    groups.set(other, 'two')
    const open = groups.opened(stampOf(groups.numberOf('one'), 0, 1))!
    return { groups, one, other, open }
  }

  it('a group is closed after the hooks of its connections', async () => {
    const { groups, one, other, open } = two()
    const closed = groups.closeAll(10_000)
    expect([one.closes, other.closes]).toEqual([0, 1])
    groups.ended(open)
    await closed
    expect([one.closes, other.closes]).toEqual([1, 1])
  })

  it('but does not wait longer than it may', async () => {
    const { groups, one, other } = two()
    await groups.closeAll(10)
    expect([one.closes, other.closes]).toEqual([1, 1])
  })
})

describe('arrivals', () => {
  it('count up to the first that is missing', () => {
    const arrivals = new Arrivals()
    expect(arrivals.has(0, 0)).toBe(true)
    for (const serial of [3, 1, 1]) arrivals.add(0, serial)
    expect([arrivals.has(0, 1), arrivals.has(0, 2), arrivals.has(1, 1)]).toEqual([true, false, false])
    arrivals.add(0, 2)
    expect([arrivals.has(0, 3), arrivals.has(0, 4)]).toEqual([true, false])
    arrivals.forget(0)
    expect(arrivals.has(0, 1)).toBe(false)
  })
})

describe('a stamp', () => {
  it.each(['one', '', 'a.b', '1.2.3', 'line\nfeed'])('comes back with the listener %j', (listener) => {
    const stamp = { group: 7, owner: 12, serial: 1_000_000, listener }
    expect(decodeStamp(encodeStamp(stamp))).toEqual(stamp)
  })

  it('is not just any text', () => {
    expect(['one', '1.2.x', ''].map(decodeStamp)).toEqual([null, null, null])
  })
})
