/** A sink that is away, and the disk on which its records wait fills up. That they reach the bound of what may wait: control/sink.test.ts. */

import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { RecordingCounters } from '../../../../src/control/recording/recording.js'
import type { Sink, SinkRecord } from '../../../../src/ports/sink.js'
import { MemoryPlace } from '../../../support/memory-sink.js'
import { eventually, testScope } from '../../../support/scope.js'
import { mayMount, mountSmallDisk } from '../../../support/small-disk.js'
import { dial } from '../../../support/sockets.js'
import { expectAgreement, expectExact, KIB, MIB, startDiskGateway, untilStored, verify } from './rig.js'

const canMount = await mayMount('a spool on a full disk')

/** One that can be out of reach. */
class Place extends MemoryPlace {
  isAway = false

  override connect(): Sink {
    const sink = super.connect()
    const reached = (): void => {
      if (this.isAway) throw new Error('it is away')
    }
    return {
      where: sink.where,
      open: async () => {
        reached()
        await sink.open()
      },
      write: async (batch, signal) => {
        reached()
        await sink.write(batch, signal)
      },
      close: () => sink.close(),
    }
  }
}

const onDisk = async (bytes: number, spool: object, record: object = {}) => {
  const scope = testScope()
  const disk = await mountSmallDisk(scope, bytes)
  const dir = join(disk.folder, 'spool')
  const place = new Place()
  place.isAway = true
  const start = () =>
    startDiskGateway(scope, { spool: { dir, ...spool }, ...record }, { sink: place.connect() })
  const gateway = await start()
  return { scope, disk, dir, place, start, gateway }
}

const lengthOf = (record: SinkRecord): number => (record.kind === 'data' ? record.bytes.length : 0)

/** What the sink has, each record once, is what the ledger says: so much stored, so much lost, and so in each connection's own. */
const expectDelivered = (records: readonly SinkRecord[], ledger: RecordingCounters): void => {
  expectExact(ledger)
  const closes = records.filter((record) => record.kind === 'close')
  const own = closes.flatMap(({ upstream, downstream }) => [upstream, downstream])
  const total = (of: (entry: (typeof own)[number]) => number): number =>
    own.reduce((all, entry) => all + of(entry), 0)
  expect({
    closes: closes.length,
    bytes: records.reduce((all, record) => all + lengthOf(record), 0),
    seen: total(({ seen }) => seen),
    stored: total(({ stored }) => stored),
    lost: total(({ lost }) => lost.reduce((all, { length }) => all + length, 0)),
  }).toEqual({
    closes: ledger.connections,
    bytes: ledger.storedBytes,
    seen: ledger.seenBytes,
    stored: ledger.storedBytes,
    lost: ledger.lostBytes,
  })
}

// A loss that comes back is not to be tried away.
describe.skipIf(!canMount)('a spool on a full disk', { retry: 0 }, () => {
  it('continue: relays all, says so once; what is in it agrees with the ledger, and all of it is delivered later', async () => {
    const { disk, dir, place, start, gateway } = await onDisk(2 * MIB, { size: '1GiB' })
    disk.fill(1 * MIB)
    await gateway.relay(1, 0.75 * MIB)
    await gateway.failing()
    expect(gateway.messages('fails, bytes are lost')).toEqual([
      "the recording to 'memory://here' fails, bytes are lost: write failed: ENOSPC",
    ])
    disk.makeRoom()
    await untilStored(gateway)
    await gateway.relay(2, 50_000)
    const ledger = await gateway.finish()
    expect(ledger).toMatchObject({ unclosed: 0, sink: { deliveredRecords: 0 } })
    expect(ledger.lostBytes).toBeGreaterThan(0)
    expect(gateway.messages('fails, bytes are lost')).toHaveLength(1)
    expect(gateway.messages('works again')).toHaveLength(1)
    expectAgreement(ledger, await verify(dir))
    const onDiskBytes = readdirSync(dir).reduce((all, name) => all + statSync(join(dir, name)).size, 0)
    expect(ledger.sink?.spooledBytes).toBe(onDiskBytes)

    place.isAway = false
    const next = await start()
    await eventually('all of it to be delivered', () => next.recording().sink?.spooledBytes === 0)
    await next.finish()
    expectDelivered(place.records, ledger)
    expect(readdirSync(dir)).toEqual([])
  })

  it('disconnect: ends those whose bytes were lost; a sink that is back makes the room itself', async () => {
    const { scope, disk, place, gateway } = await onDisk(
      2 * MIB,
      { size: '1GiB' },
      { onFailure: 'disconnect' },
    )
    disk.fill(1 * MIB)
    const cut = await dial(scope, gateway.port)
    cut.on('data', () => {}).write(Buffer.alloc(4 * MIB))
    await eventually('its end', () => gateway.ended.length > 0)
    expect(gateway.ended).toMatchObject([{ reason: 'error' }])
    expect(gateway.ended[0]?.error?.message).toBe('connection 1 could not be recorded: write failed: ENOSPC')
    await gateway.failing()
    place.isAway = false
    await eventually('it to be delivered', () => disk.free() > 0.9 * MIB)
    await gateway.relay(2, 100_000)
    const ledger = await gateway.finish()
    expect(ledger.lostBytes).toBeGreaterThan(0)
    expect(ledger.sink?.spooledBytes).toBe(0)
    expectDelivered(place.records, ledger)
    expect(gateway.messages('fails, bytes are lost')).toHaveLength(1)
  })

  it('minFree: leaves that much to others', async () => {
    const { disk, dir, gateway } = await onDisk(3 * MIB, { size: '1GiB' }, { minFree: '1MiB' })
    disk.fill(2 * MIB)
    await gateway.relay(1, 0.75 * MIB)
    await gateway.failing()
    expect(gateway.messages('fails, bytes are lost')).toEqual([
      "the recording to 'memory://here' fails, bytes are lost: write failed: less than 1MiB free",
    ])
    expect(disk.free()).toBeGreaterThan(1 * MIB - 16 * KIB)
    // Or how it ended might find none.
    disk.makeRoom()
    const ledger = await gateway.finish()
    expectAgreement(ledger, await verify(dir))
  })
})
