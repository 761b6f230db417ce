/** What resource groups get of planes, here of ones whose threads end as they like. */

import { expect, it } from 'vitest'
import { GroupRecording } from '../../../../src/control/recording/groups/group-recording.js'
import { GroupSeat } from '../../../../src/control/recording/groups/group-seat.js'
import { seatPorts } from '../../../../src/control/recording/seat.js'
import { parseAddress } from '../../../../src/core/address.js'
import { SILENT } from '../../../../src/ports/logger.js'
import { eventually } from '../../../support/scope.js'

const CONNECTIONS = 50

it('threads that die leave nothing behind: their connections’ hooks are called, their groups closed, their bytes accounted for', async () => {
  const open = new Set<number>()
  const hung: number[] = []
  let closes = 0
  const recording = await GroupRecording.open({
    group: {
      getResource: (_context, { id }) => {
        open.add(id)
        const hangs = id % 10 === 0
        if (hangs) hung.push(id)
        const resource = { writeFunction: () => (hangs ? new Promise(() => {}) : undefined) }
        return { resource, onClose: () => void open.delete(id) }
      },
      close: () => void closes++,
    },
    byListener: {},
    listeners: [{ name: 'one', description: '' }],
    closeTimeoutMs: 50,
    planes: 2,
    application: 'test',
    logger: SILENT,
  })
  let id = 0
  for (let death = 1; death <= 3; death++) {
    const seat = recording.site.seat(1)
    const plane = new GroupSeat(seat)
    for (let n = 0; n < CONNECTIONS; n++) {
      id++
      const client = parseAddress(`10.0.0.${death}:${id}`)
      const about = { id, listener: 'one', client, server: parseAddress('10.1.0.1:80') }
      plane
        .open(about, recording.groups.numberOf('one') ?? 0, () => null)
        .data(Buffer.from('hello'), 'upstream')
    }
    await eventually('all to have come', () => recording.groups.connections >= CONNECTIONS)
    // As the end of its thread does.
    for (const port of seatPorts(seat)) port.close()
    await eventually('all but those whose functions hang to be over', () => open.size === hung.length)
    expect(recording.groups.connections).toBe(hung.length)
  }
  const { seenBytes, storedBytes, openConnections } = recording.counters()
  expect([seenBytes, storedBytes]).toEqual([3 * CONNECTIONS * 5, 3 * (CONNECTIONS - 5) * 5])
  expect(openConnections).toBe(hung.length)
  await recording.here.close()
  await recording.close()
  expect([open.size, recording.groups.count, closes]).toEqual([0, 0, 1])
  expect(recording.counters()).toMatchObject({ lostBytes: 3 * 5 * 5, openConnections: 0 })
})
