import { describe, expect, it } from 'vitest'
import { ListenerBoard } from '../../../src/control/workers/listener-board.js'

const NONE = { upstream: 0, downstream: 0 }

/** The books of planes 0, 1, 2 of one listener, and who announced room, in order. */
const planes = () => {
  const board = new ListenerBoard(3)
  const announced: number[] = []
  const books = [0, 1, 2].map((plane) =>
    new ListenerBoard(3, board.buffer).books(plane, () => announced.push(plane)),
  )
  const [main, one, other] = books
  if (main === undefined || one === undefined || other === undefined) throw new Error('three planes')
  return { board, main, one, other, announced }
}

describe('the board of a listener', () => {
  it('adds up what all planes count', () => {
    const { board, one, other } = planes()
    one.opened()
    other.opened()
    other.opened()
    other.closed('client_fin', { upstream: 2 ** 33, downstream: 5 })
    expect(board.snapshot()).toEqual({
      accepted: 3,
      active: 2,
      closed: { client_fin: 1 },
      bytes: { upstream: 2 ** 33, downstream: 5 },
    })
  })

  it('gives no place beyond the maximum, whichever plane asks', () => {
    const { one, other } = planes()
    expect([one.take(2), other.take(2), one.take(2), other.take(2)]).toEqual([true, true, false, false])
    other.leave()
    expect([one.take(2), other.take(2)]).toEqual([true, false])
  })

  it('counts the places also while there is no maximum, for when there is one', () => {
    const { one, other } = planes()
    for (let i = 0; i < 3; i++) one.take(0)
    expect(other.take(3)).toBe(false)
  })

  it('tells once that there is room, when a plane that does not accept waits for that', () => {
    const { board, one, other, announced } = planes()
    one.take(2)
    one.take(2)
    expect(other.mayAccept(2, false)).toBe(false)
    one.leave()
    one.leave()
    expect(announced).toEqual([1])
    expect(board.clearRoom()).toEqual([2])
    expect(other.mayAccept(2, false)).toBe(true)
    expect(board.clearRoom()).toEqual([])
  })

  it('tells nobody of room when nobody waits for it', () => {
    const { one, announced } = planes()
    one.take(1)
    expect(one.mayAccept(1, false)).toBe(false)
    one.leave()
    expect(announced).toEqual([])
  })

  it('lets nobody accept while a client waits that was accepted already, but its own plane let it in', () => {
    const { board, one, other, announced } = planes()
    one.take(1)
    expect(other.mayAccept(1, true)).toBe(false)
    one.leave()
    expect(one.mayAccept(1, false)).toBe(false)
    expect(announced).toEqual([1])
    expect(board.clearRoom()).toEqual([1, 2])
    expect(other.mayAccept(1, true)).toBe(true)
    expect(other.take(1)).toBe(true)
    expect(other.mayAccept(1, false)).toBe(false)
    expect(board.clearRoom()).toEqual([1, 2])
  })

  it('lets the others accept again once nobody waits any more though there is room', () => {
    const { one, other, announced } = planes()
    one.take(2)
    one.take(2)
    expect(other.mayAccept(2, true)).toBe(false)
    one.leave()
    expect(one.mayAccept(2, false)).toBe(false)
    // The client that waited has gone.
    expect(other.mayAccept(2, false)).toBe(true)
    expect(announced).toEqual([1])
    expect(one.mayAccept(2, false)).toBe(true)
  })

  it('gives back what a plane had taken that died, and keeps its counts', () => {
    const { board, one, other } = planes()
    one.opened()
    one.take(1)
    one.mayAccept(1, true)
    board.countClosed(0, 'error', NONE)
    board.forget(1)
    expect(other.mayAccept(1, false)).toBe(true)
    expect(other.take(1)).toBe(true)
    expect(board.snapshot()).toMatchObject({ accepted: 1, active: 0, closed: { error: 1 } })
  })

  it('moves a place along with its connection', () => {
    const { board, main, one, other } = planes()
    one.opened()
    one.take(1)
    board.move(1, 0)
    board.forget(1)
    expect(other.take(1)).toBe(false)
    main.closed('client_fin', NONE)
    main.leave()
    expect(other.take(1)).toBe(true)
    expect(board.snapshot()).toMatchObject({ accepted: 1, active: 0 })
  })
})
