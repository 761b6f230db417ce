import { describe, expect, it } from 'vitest'
import { MAX_MEMBERS, UpstreamBoard } from '../../../src/control/upstreams/upstream-board.js'

const NOTHING = { connected: 0, failed: 0, refused: 0, reused: 0, spare: 0, unclean: 0 }

/** The same board, as two planes' threads see it. */
const twoViews = () => {
  const one = new UpstreamBoard(3)
  return { one, other: new UpstreamBoard(3, one.buffer) }
}

describe('the places of a member', () => {
  it('are one number for all planes', () => {
    const { one, other } = twoViews()
    expect(one.takePlace(0, 5, 2)).toBe(true)
    expect(other.takePlace(1, 5, 2)).toBe(true)
    expect(one.takePlace(0, 5, 2)).toBe(false)
    expect(other.takePlace(1, 6, 2)).toBe(true)
    other.givePlace(1, 5)
    expect(one.takePlace(2, 5, 2)).toBe(true)
    expect([one.open(5), one.open(6), other.open(5)]).toEqual([2, 1, 2])
  })

  it('have no end where there is no limit', () => {
    const board = new UpstreamBoard(1)
    for (let n = 0; n < 1000; n++) expect(board.takePlace(0, 0, 0)).toBe(true)
    expect(board.open(0)).toBe(1000)
  })

  it('are as many as are open where a limit has sunk below that', () => {
    const board = new UpstreamBoard(1)
    for (let n = 0; n < 5; n++) board.takePlace(0, 0, 5)
    expect(board.takePlace(0, 0, 2)).toBe(false)
    for (let n = 0; n < 4; n++) board.givePlace(0, 0)
    expect(board.takePlace(0, 0, 2)).toBe(true)
  })
})

describe('a board whose plane is no more', () => {
  it('has back what that plane had, in every slot, and keeps what the others have and what was counted', () => {
    const { one, other } = twoViews()
    for (const slot of [0, MAX_MEMBERS - 1]) {
      one.takePlace(1, slot, 0)
      one.takePlace(1, slot, 0)
      other.takePlace(2, slot, 0)
      one.addBusy(1, slot, 1)
      other.addBusy(2, slot, 1)
      one.setIdle(1, slot, 7)
      other.setIdle(2, slot, 2)
      one.count(slot, 'connected')
    }
    one.queue.begin(1, 10)
    one.queue.begin(1, 10)
    other.queue.begin(2, 10)
    one.forget(1)
    for (const slot of [0, MAX_MEMBERS - 1])
      expect([other.open(slot), other.busy(slot), other.idle(slot)]).toEqual([1, 1, 2])
    expect(other.queue.waiting).toBe(1)
    expect(other.counts(0).connected).toBe(1)
    one.forget(1)
    expect([other.open(0), other.queue.waiting]).toEqual([1, 1])
  })
})

describe('those that wait', () => {
  it('are no more than the maximum on all planes together', () => {
    const { one, other } = twoViews()
    expect([one.queue.begin(0, 2), other.queue.begin(1, 2), one.queue.begin(0, 2)]).toEqual([
      true,
      true,
      false,
    ])
    other.queue.end(1)
    expect(one.queue.begin(0, 2)).toBe(true)
    expect(new UpstreamBoard(1).queue.begin(0, 0)).toBe(false)
  })

  it('are others’ or one’s own', () => {
    const { one, other } = twoViews()
    one.queue.begin(0, 9)
    expect([one.queue.othersWait(0), other.queue.othersWait(1)]).toEqual([false, true])
    other.queue.begin(1, 9)
    expect([one.queue.othersWait(0), other.queue.othersWait(1)]).toEqual([true, true])
  })

  it('are told of room once, until somebody has looked who they are', () => {
    const { one, other } = twoViews()
    one.queue.begin(0, 9)
    other.queue.begin(2, 9)
    expect([one.queue.announceRoom(), other.queue.announceRoom()]).toEqual([true, false])
    expect(one.queue.clearRoom()).toEqual([0, 2])
    expect(other.queue.announceRoom()).toBe(true)
  })
})

describe('the health of a member', () => {
  const EJECTED = { failures: 0, ejections: 1, ejectedUntil: 2000 }

  it('is up, left out for a time, or down, which counts more', () => {
    const { one, other } = twoViews()
    expect([one.isUp(3), one.state(3, 1000)]).toEqual([true, 'up'])
    one.eject(3, one.passive(3), EJECTED)
    expect([other.isUp(3), other.state(3, 1999), other.state(3, 2000)]).toEqual([false, 'ejected', 'up'])
    other.setDown(3, true)
    expect(one.state(3, 1000)).toBe('down')
    other.setDown(3, false)
    expect(one.state(3, 1000)).toBe('ejected')
    expect(one.state(4, 1000)).toBe('up')
  })

  it('is changed by one of two that find out the same', () => {
    const { one, other } = twoViews()
    const before = one.passive(0)
    expect([one.eject(0, before, EJECTED), other.eject(0, before, EJECTED)]).toEqual([true, false])
  })

  it('is as at the start once it has worked', () => {
    const board = new UpstreamBoard(1)
    expect([board.addFailure(0, false), board.addFailure(0, true)]).toEqual([0, 1])
    expect([board.hasNoFailures(0), board.lastWasRefusal(0)]).toEqual([false, true])
    board.eject(0, board.passive(0), EJECTED)
    expect(board.ejectedUntil(0)).toBe(2000)
    expect([board.clearFailures(0), board.clearFailures(0)]).toEqual([true, false])
    expect(board.passive(0)).toEqual({ failures: 0, ejections: 0, ejectedUntil: 0 })
    expect([board.isUp(0), board.hasNoFailures(0), board.ejectedUntil(0)]).toEqual([true, true, 0])
  })
})

it('a slot that is cleared knows nothing of who had it before, and its neighbours know what they did', () => {
  const board = new UpstreamBoard(2)
  for (const slot of [6, 7, 8]) {
    board.takePlace(1, slot, 0)
    board.addBusy(1, slot, 1)
    board.setIdle(0, slot, 3)
    board.setDown(slot, true)
    board.addFailure(slot, true)
    board.eject(slot, board.passive(slot), { failures: 0, ejections: 2, ejectedUntil: 9 })
    for (const name of ['connected', 'failed', 'refused', 'reused', 'spare', 'unclean'] as const)
      board.count(slot, name)
  }
  board.clear(7)
  expect([board.open(7), board.busy(7), board.idle(7), board.isUp(7)]).toEqual([0, 0, 0, true])
  expect(board.counts(7)).toEqual(NOTHING)
  expect(board.passive(7)).toEqual({ failures: 0, ejections: 0, ejectedUntil: 0 })
  for (const slot of [6, 8]) {
    expect([board.open(slot), board.busy(slot), board.idle(slot)]).toEqual([1, 1, 3])
    expect(Object.values(board.counts(slot))).toEqual([1, 1, 1, 1, 1, 1])
    expect(board.passive(slot)).toEqual({ failures: 1, ejections: 2, ejectedUntil: 9 })
  }
})
