import { describe, expect, it } from 'vitest'
import { Places } from '../../../src/engine/portable/places.js'

/** What an engine has open, and its places of a budget of so many connections. */
const placesOf = (connections: number, waiting = 0) => {
  const open = { conns: 0, dials: 0, clients: 0, links: 0, clientDials: 0 }
  const places = new Places(() => open)
  places.keepTo({ connections, waiting, kept: 0 })
  return { open, places }
}

describe('places', () => {
  it('are unlimited until there is a budget', () => {
    const places = new Places(() => ({ conns: 1e9, dials: 0, clients: 0, links: 0, clientDials: 0 }))
    expect(places.hasRoomForClient()).toBe(true)
    expect(places.hasSpare()).toBe(true)
    expect(places.hasRoomToHold(true)).toBe(true)
  })

  it('are there for a client only with one for its upstream', () => {
    const { open, places } = placesOf(10)
    open.conns = 8
    expect(places.hasRoomForClient()).toBe(true)
    open.conns = 9
    expect(places.hasRoomForClient()).toBe(false)
  })

  it('are promised to accepted clients until they are dialled for', () => {
    const { open, places } = placesOf(10)
    open.conns = open.clients = 4
    expect(places.hasRoomForClient()).toBe(true)
    open.conns = open.clients = 5
    expect(places.hasRoomForClient()).toBe(false)
    open.dials = open.clientDials = 5
    expect(places.hasSpare()).toBe(false)
    Object.assign(open, { conns: 6, dials: 0, clientDials: 0, clients: 3, links: 3 })
    expect(places.hasRoomForClient()).toBe(true)
  })

  it('are given to nobody ahead of need who would leave none for a client', () => {
    const { open, places } = placesOf(10)
    open.conns = 7
    expect(places.hasSpare()).toBe(true)
    open.conns = 8
    expect(places.hasSpare()).toBe(false)
  })

  it('hold as many clients as have places of their own, also when everything else is taken', () => {
    const { open, places } = placesOf(10, 2)
    open.conns = 10
    expect(places.hasRoomToHold(false)).toBe(true)
    places.held = 2
    expect(places.hasRoomToHold(false)).toBe(false)
    expect(places.hasRoomToHold(true)).toBe(false)
    expect(places.hasRoomForHeld()).toBe(false)
    open.conns = 8
    expect(places.hasRoomForHeld()).toBe(true)
  })

  it('hold more for a listener that has its maximum, half of all at most, and let others use what is left', () => {
    const { open, places } = placesOf(20, 2)
    open.conns = 4
    places.held = 9
    expect(places.hasRoomToHold(true)).toBe(true)
    expect(places.hasRoomToHold(false)).toBe(false)
    places.held = 10
    expect(places.hasRoomToHold(true)).toBe(false)
    // 4 connections, and 8 held without places of their own.
    open.conns = 10
    expect(places.hasRoomForClient()).toBe(true)
    open.conns = 11
    expect(places.hasRoomForClient()).toBe(false)
    // One of those 8 has a descriptor already.
    expect(places.hasRoomForHeld()).toBe(true)
  })
})
