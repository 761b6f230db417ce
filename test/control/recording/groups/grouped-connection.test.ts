/** A connection between a resource that is still being got and one that takes nothing. */

import { describe, expect, it } from 'vitest'
import {
  GroupedConnection,
  type Handover,
  OVERHEAD_BYTES,
} from '../../../../src/control/recording/groups/grouped-connection.js'
import { Outlet } from '../../../../src/control/recording/groups/outlet.js'
import { UsedGroup } from '../../../../src/control/recording/groups/used-group.js'
import { Backlog, Room } from '../../../../src/core/resource/backlog.js'
import { SILENT } from '../../../../src/ports/logger.js'
import type { GotResource } from '../../../../src/ports/resource-group.js'

const MIB = 1024 ** 2
const ROOM = { softBytes: 8 * MIB, onTheWayBytes: 16 * MIB, spareBytes: 4 * MIB }
const FRAME_BYTES = 64 * 1024

/** A resource of which connection 1 is given at once, and connection 2 when the test says so. It takes a frame when the test says so. */
const rig = () => {
  const room = new Room(ROOM)
  const taking: (() => void)[] = []
  const resource = { writeFunction: () => new Promise<void>((resolve) => taking.push(resolve)) }
  const outlet = new Outlet(resource, new Backlog(room))
  const presses: string[] = []
  const counts = { lost: 0, waiting: 0 }
  const handover: Handover = {
    ...{ recording: 'r', consequence: 'slowed' },
    outletOf: () => outlet,
    newBacklog: () => new Backlog(room),
    framed: (_, { data }) => ({ bytes: data, begins: null }),
    taken: () => {},
    refused: () => {},
    lost: (bytes) => {
      counts.lost += bytes
    },
    waits: (bytes) => {
      counts.waiting += bytes
    },
    failed: () => {},
    press: ({ id }, isSlow) => void presses.push(`${id} ${isSlow ? 'slow' : 'keeps up'}`),
    done: () => {},
    ended: () => {},
  }
  let give = (): void => {}
  const later = new Promise<GotResource>((resolve) => {
    give = () => resolve({ resource })
  })
  const getResource = (_: unknown, { id }: { readonly id: number }) => (id === 1 ? { resource } : later)
  const group = new UsedGroup(1, { getResource }, SILENT)
  const start = (id: number): GroupedConnection => {
    const stamp = { group: 1, owner: 0, serial: id, listener: 'one' }
    const ends = { client: `127.0.0.1:${1000 + id}`, server: '127.0.0.1:80' }
    const connection = new GroupedConnection(handover, group, stamp, {
      kind: 'open',
      id,
      listener: 'one',
      ...ends,
    })
    connection.start()
    return connection
  }
  /** As the store does: what finds no room is lost. */
  const say = (connection: GroupedConnection): boolean => {
    const costBytes = FRAME_BYTES + OVERHEAD_BYTES
    if (!connection.admits(costBytes)) return false
    const context = connection.contexts.upstream
    connection.push({ data: new Uint8Array(0), payloadBytes: FRAME_BYTES, costBytes, context } as never)
    return true
  }
  const sayUntil = (connection: GroupedConnection, press: string): void => {
    for (let frames = 0; !presses.includes(press); frames++) {
      expect(frames).toBeLessThan(ROOM.softBytes / FRAME_BYTES)
      expect(say(connection)).toBe(true)
    }
  }
  const got = async (): Promise<void> => {
    give()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { room, outlet, presses, counts, start, say, sayUntil, got, taking }
}

describe('a connection whose resource is got while', { retry: 0 }, () => {
  it('that presses stays held, until the resource has taken what waits', async () => {
    const { presses, start, sayUntil, got, outlet, taking, room } = rig()
    const [one, other] = [start(1), start(2)]
    sayUntil(other, '2 slow')
    sayUntil(one, '1 slow')
    await got()
    expect(outlet.backlog.isPressing).toBe(true)
    expect(presses).toEqual(['2 slow', '1 slow'])
    for (;;) {
      const take = taking.shift()
      if (take === undefined) break
      take()
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(presses.slice(2).sort()).toEqual(['1 keeps up', '2 keeps up'])
    expect(room.usedBytes).toBe(0)
  })

  it('it keeps up goes on, with what waited handed over', async () => {
    const { presses, start, say, got, taking, room, counts } = rig()
    const other = start(2)
    say(other)
    await got()
    expect(presses).toEqual([])
    expect(counts.waiting).toBe(FRAME_BYTES)
    taking.shift()?.()
    await new Promise((resolve) => setImmediate(resolve))
    expect([room.usedBytes, counts.waiting, counts.lost]).toEqual([0, 0, 0])
  })
})

it.each([
  ['a function that hangs', true],
  ['a resource that never comes', false],
])('what is given up with %s takes no room any more', { retry: 0 }, async (_, isGot) => {
  const { start, say, got, room, counts, taking } = rig()
  const [one, other] = [start(1), start(2)]
  if (isGot) await got()
  for (let frame = 0; frame < 5; frame++) for (const each of [one, other]) expect(say(each)).toBe(true)
  expect(room.usedBytes).toBeGreaterThan(10 * FRAME_BYTES)
  one.abandon()
  other.abandon()
  // The promise itself stays, and counts.
  expect(room.usedBytes).toBe(isGot ? 0 : OVERHEAD_BYTES)
  expect(counts).toEqual({ lost: 10 * FRAME_BYTES, waiting: 0 })
  // What comes back later changes nothing.
  for (const take of taking) take()
  await got()
  expect(room.usedBytes).toBe(0)
  expect(counts).toEqual({ lost: 10 * FRAME_BYTES, waiting: 0 })
})
