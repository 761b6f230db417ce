import { expect, test } from 'vitest'
import { parseAddress } from '../../../src/core/address.js'
import { QUIET_MS } from '../../../src/core/record/episode.js'
import { OVERLOAD_DROPPED } from '../../../src/core/record/recorder.js'
import { MIN_SLAB_BYTES, SLAB_BYTES } from '../../../src/core/record/slab-pool.js'
import { MAX_WAITING_CLOSES } from '../../../src/core/record/waiting-closes.js'
import { Harness } from './harness.js'
import { pattern } from './parse.js'

const FAILED = 'write failed: ENOSPC'
const KIB = 1024

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

test('a connection that ends with two FINs is one whole TCP conversation', () => {
  const harness = new Harness()
  const connection = harness.open(1)
  harness.send(connection, 'upstream', 3)
  harness.send(connection, 'downstream', 5)
  harness.fin(connection, 'upstream')
  harness.fin(connection, 'downstream')
  harness.recorder.close(connection, 'client_fin', harness.nowMs)
  harness.writeAll()
  const packets = harness.packets()
  const client = packets[0]?.seq ?? 0
  const server = packets[1]?.seq ?? 0
  expect(packets.map(({ flags, seq, ack }) => [flags, seq - client, ack - server])).toEqual([
    ['syn', 0, -server],
    ['syn ack', server - client, client + 1 - server],
    ['ack', 1, 1],
    ['psh ack', 1, 1],
    ['psh ack', server + 1 - client, client + 4 - server],
    ['fin ack', 4, 6],
    ['fin ack', server + 6 - client, client + 5 - server],
    ['ack', 5, 7],
  ])
  expect(packets.every(({ checksumsRight }) => checksumsRight)).toBe(true)
  expect(harness.annotations()).toEqual([
    { kind: 'open', id: 1, listener: 'one', client: '127.0.0.1:40000', server: '10.0.0.1:6379' },
    {
      kind: 'close',
      id: 1,
      reason: 'client_fin',
      upstream: { seen: 3, stored: 3, lost: [] },
      downstream: { seen: 5, stored: 5, lost: [] },
    },
  ])
})

test.each([
  ['client_reset', '7f000001:40000'],
  ['upstream_reset', '0a000001:6379'],
  ['idle_timeout', '0a000001:6379'],
  ['killed', '0a000001:6379'],
] as const)('a connection that ends by %s ends with a RST from the side that broke it', (reason, source) => {
  const harness = new Harness()
  const connection = harness.open(1)
  harness.send(connection, 'upstream', 1)
  harness.fin(connection, 'upstream')
  harness.recorder.close(connection, reason, harness.nowMs)
  harness.writeAll()
  expect(harness.packets().at(-1)).toMatchObject({ flags: 'rst ack', source })
  expect(harness.closes()).toMatchObject([{ reason }])
})

test('a listener has its own interface, and an unknown one the first', () => {
  const harness = new Harness()
  harness.open(1, undefined, undefined, 'two')
  harness.open(2, undefined, undefined, 'nobody')
  harness.writeAll()
  expect(harness.packets().map(({ interfaceIndex }) => interfaceIndex)).toEqual([1, 1, 1, 0, 0, 0])
})

test('the same ends begin with other sequence numbers the next time', () => {
  const harness = new Harness()
  harness.open(1)
  harness.open(2)
  harness.writeAll()
  const syns = harness.packets().filter(({ flags }) => flags.startsWith('syn'))
  expect(new Set(syns.map(({ seq }) => seq)).size).toBe(4)
})

test('a chunk larger than a packet becomes several, without a gap', () => {
  for (const [server, largest] of [
    ['10.0.0.1:1', 65_495],
    ['[::1]:1', 65_515],
  ] as const) {
    const harness = new Harness()
    const connection = harness.open(1, undefined, parseAddress(server))
    harness.send(connection, 'downstream', 200_000)
    harness.writeAll()
    const data = harness.packets().filter(({ payload }) => payload.length > 0)
    expect(data.map(({ payload }) => payload.length)).toEqual([
      largest,
      largest,
      largest,
      200_000 - 3 * largest,
    ])
    expect(Buffer.concat(data.map(({ payload }) => payload)).equals(pattern(3, 0, 200_000))).toBe(true)
  }
})

test('a direction that only receives acknowledges now and then', () => {
  const harness = new Harness()
  const connection = harness.open(1)
  for (let i = 0; i < 2500; i++) harness.send(connection, 'downstream', 2)
  harness.writeAll()
  const acks = harness.packets().filter(({ flags, payload }) => flags === 'ack' && payload.length === 0)
  const first = harness.packets()[1]?.seq ?? 0
  expect(acks.slice(1).map(({ ack }) => (ack - first - 1) >>> 0)).toEqual([2000, 4000])
})

test('a direction that answers acknowledges with its data and with nothing else', () => {
  const harness = new Harness()
  const connection = harness.open(1)
  for (let i = 0; i < 1500; i++) {
    harness.send(connection, 'upstream', 2)
    harness.send(connection, 'downstream', 2)
  }
  harness.writeAll()
  expect(harness.packets().filter(({ payload }) => payload.length === 0)).toHaveLength(3)
})

test('a close with a FIN before it that found room alone waits until the FIN is settled', () => {
  const harness = new Harness({ overload: 'drop' })
  const connection = harness.open(1)
  harness.write()
  harness.fin(connection, 'upstream')
  harness.write(FAILED)
  harness.fin(connection, 'downstream')
  harness.write(FAILED)
  harness.recorder.close(connection, 'client_fin', harness.nowMs)
  // 26 such chunks fill a slab but for 272 bytes: room for two FINs (144), but not also for the close (212).
  const loud = harness.open(2)
  const beforeFirst = Math.floor((MIN_SLAB_BYTES - harness.recorder.bufferedBytes) / 10_072)
  for (let i = 0; i < beforeFirst + 3 * 26; i++) harness.send(loud, 'upstream', 10_000)
  expect(harness.recorder.counters().lostBytes).toBe(0)
  harness.recorder.retryCloses()
  expect(connection.unsettled).toBe(2)
  for (const failure of [null, null, null, FAILED]) harness.write(failure, false)
  harness.send(loud, 'upstream', 1)
  harness.writeAll()
  const ours = harness.packets().filter(({ flags }) => flags.includes('fin'))
  expect(ours).toHaveLength(2)
  expect(harness.closes().filter(({ id }) => id === 1)).toHaveLength(1)
})

test('bytes count as stored only once the sink has taken them', () => {
  const harness = new Harness()
  const connection = harness.open(1)
  harness.send(connection, 'upstream', 10)
  harness.recorder.take(true)
  expect(harness.recorder.counters()).toMatchObject({ seenBytes: 10, storedBytes: 0, lostBytes: 0 })
  harness.recorder.settle(null, harness.nowMs)
  expect(harness.recorder.counters()).toMatchObject({ storedBytes: 10, bufferedBytes: 0 })
})

test('the close waits until everything before it is settled, so that it tells of a loss', () => {
  const harness = new Harness()
  const connection = harness.open(1)
  harness.write()
  harness.send(connection, 'upstream', 10)
  harness.recorder.take(true)
  harness.recorder.close(connection, 'killed', harness.nowMs)
  expect(harness.recorder.take(true)).toBeNull()
  harness.recorder.settle(FAILED, harness.nowMs)
  harness.recorder.retryCloses()
  harness.writeAll()
  expect(harness.closes()).toMatchObject([
    { upstream: { seen: 10, stored: 0, lost: [{ at: 0, length: 10, why: FAILED }] } },
  ])
})

test('a connection whose SYN was lost says who it is on its next packet', () => {
  const harness = new Harness()
  const connection = harness.open(1)
  harness.write(FAILED)
  harness.send(connection, 'downstream', 4)
  harness.writeAll()
  expect(harness.packets()).toHaveLength(1)
  expect(harness.annotations()).toMatchObject([{ kind: 'open', id: 1 }])
})

test('the first packet after a loss in its direction says what is missing, and keeps its place', () => {
  const harness = new Harness()
  const connection = harness.open(1)
  harness.write()
  harness.send(connection, 'downstream', 100)
  harness.send(connection, 'downstream', 20)
  harness.write(FAILED)
  harness.send(connection, 'upstream', 1)
  harness.send(connection, 'downstream', 4)
  harness.writeAll()
  expect(harness.annotations().slice(1)).toEqual([
    { kind: 'gap', direction: 'downstream', at: 0, length: 120, why: FAILED },
  ])
  const [, synAck, , , last] = harness.packets()
  expect(((last?.seq ?? 0) - (synAck?.seq ?? 0)) >>> 0).toBe(121)
})

test('a gap that was lost itself is told again, with what was lost since', () => {
  const harness = new Harness()
  const connection = harness.open(1)
  harness.write()
  harness.send(connection, 'upstream', 100)
  harness.write(FAILED)
  harness.send(connection, 'upstream', 50)
  harness.write(FAILED)
  harness.send(connection, 'upstream', 1)
  harness.writeAll()
  expect(harness.annotations().slice(1)).toEqual([
    { kind: 'gap', direction: 'upstream', at: 0, length: 150, why: FAILED },
  ])
})

test('a lost FIN is written again before the close', () => {
  const harness = new Harness()
  const connection = harness.open(1)
  harness.write()
  harness.fin(connection, 'upstream')
  harness.write(FAILED)
  harness.fin(connection, 'downstream')
  harness.recorder.close(connection, 'client_fin', harness.nowMs)
  harness.writeAll()
  expect(
    harness
      .packets()
      .slice(3)
      .map(({ flags, source }) => `${flags} ${source}`),
  ).toEqual(['fin ack 0a000001:6379', 'fin ack 7f000001:40000', 'ack 7f000001:40000'])
})

test('a close that cannot be written is written when the sink works again', () => {
  const harness = new Harness()
  const connection = harness.open(1)
  harness.write()
  harness.recorder.close(connection, 'killed', harness.nowMs)
  harness.write(FAILED)
  expect(harness.recorder.waitingCloses).toBe(1)
  expect(harness.recorder.take(true)).toBeNull()
  const other = harness.open(2)
  harness.write()
  harness.write()
  expect(harness.closes()).toMatchObject([{ id: 1 }])
  expect(harness.recorder.counters()).toMatchObject({ unclosed: 0 })
  expect(other.ending).toBeNull()
})

test('closes that can never be written take a bounded number of places, and are counted', () => {
  const harness = new Harness()
  for (let id = 0; id < MAX_WAITING_CLOSES + 100; id++) {
    harness.recorder.close(harness.open(id), 'killed', harness.nowMs)
    while (harness.write(FAILED));
  }
  expect(harness.recorder.waitingCloses).toBe(MAX_WAITING_CLOSES)
  expect(harness.recorder.counters().unclosed).toBe(MAX_WAITING_CLOSES + 100)
})

test('the bound of closes that wait can be another, or none', () => {
  const waiting = (maxWaitingCloses: number) => {
    const harness = new Harness({ maxWaitingCloses })
    for (let id = 0; id < 5; id++) {
      harness.recorder.close(harness.open(id), 'killed', harness.nowMs)
      while (harness.write(FAILED));
    }
    return harness.recorder.waitingCloses
  }
  expect([2, Number.POSITIVE_INFINITY].map(waiting)).toEqual([2, 5])
})

test('a failing sink that works in the end is over at once, also where another has seen that it works', () => {
  const reports = (heals: (harness: Harness) => void, sinkWorks: boolean) => {
    const harness = new Harness()
    harness.send(harness.open(1), 'upstream', 10)
    harness.write(FAILED)
    heals(harness)
    harness.recorder.finish()
    harness.writeAll()
    harness.recorder.conclude(sinkWorks)
    return harness.reports.map(({ kind }) => kind)
  }
  const sends = (harness: Harness): void => {
    harness.send(harness.open(2), 'upstream', 10)
    harness.writeAll()
  }
  expect(reports(sends, false)).toEqual(['write_failing', 'write_recovered'])
  expect(reports(() => {}, true)).toEqual(['write_failing', 'write_recovered'])
  expect(reports(() => {}, false)).toEqual(['write_failing'])
})

test('a failing sink is reported once, and once again when it has worked for a while, with what was lost', () => {
  const harness = new Harness()
  const connection = harness.open(1)
  harness.write()
  for (let i = 0; i < 3; i++) {
    harness.send(connection, 'upstream', 10)
    harness.write(FAILED)
  }
  harness.send(connection, 'upstream', 10)
  harness.writeAll()
  expect(harness.reports).toEqual([{ kind: 'write_failing', why: FAILED }])
  harness.nowMs += QUIET_MS
  harness.send(connection, 'upstream', 10)
  harness.writeAll()
  expect(harness.reports).toEqual([
    { kind: 'write_failing', why: FAILED },
    { kind: 'write_recovered', lostBytes: 30 },
  ])
  expect(harness.recorder.counters()).toMatchObject({ writeFailures: 3, lostBytes: 30, storedBytes: 20 })
})

test('after a failure only the connections whose bytes were lost are ended, if so wished, and once', () => {
  const harness = new Harness({ onFailure: 'disconnect' })
  const harmed = harness.open(1)
  const idle = harness.open(2)
  harness.write()
  harness.send(harmed, 'upstream', 10)
  harness.write(FAILED)
  harness.send(harmed, 'upstream', 10)
  harness.write(FAILED)
  expect(harness.log).toEqual([`disconnect 1: ${FAILED}`])
  expect(idle.disconnected).toBe(false)
})

test('a slow sink holds the traffic before memory runs out, and lets it go when half is free', () => {
  const harness = new Harness({ maxBufferedBytes: 16 * SLAB_BYTES })
  const connection = harness.open(1)
  while (!harness.recorder.holding) harness.send(connection, 'upstream', 64 * KIB)
  expect(harness.log).toEqual(['hold'])
  expect(harness.recorder.bufferedBytes).toBeLessThan(12 * SLAB_BYTES)
  harness.send(connection, 'upstream', 64 * KIB)
  while (harness.recorder.holding) expect(harness.write()).toBe(true)
  expect(harness.log).toEqual(['hold', 'release'])
  expect(harness.recorder.bufferedBytes).toBeGreaterThan(4 * SLAB_BYTES)
  harness.writeAll()
  expect(harness.recorder.counters()).toMatchObject({ lostBytes: 0, holds: 1 })
  expect(harness.recorder.counters().storedBytes).toBe(harness.recorder.counters().seenBytes)
})

test('what arrives although the traffic is held is stored all the same', () => {
  const harness = new Harness()
  const connection = harness.open(1)
  for (let i = 0; i < 60; i++) harness.send(connection, 'downstream', 64 * KIB)
  harness.writeAll()
  expect(harness.recorder.counters()).toMatchObject({ lostBytes: 0, storedBytes: 60 * 64 * KIB })
})

test('with drop, what finds no room is marked as lost, memory stays bounded, and the rest is stored', () => {
  const harness = new Harness({ overload: 'drop' })
  const connection = harness.open(1)
  for (let i = 0; i < 60; i++) harness.send(connection, 'downstream', 64 * KIB)
  expect(harness.recorder.bufferedBytes).toBeLessThanOrEqual(4 * MIN_SLAB_BYTES)
  const { lostBytes } = harness.recorder.counters()
  expect(lostBytes).toBeGreaterThan(20 * 64 * KIB)
  while (harness.write());
  harness.send(connection, 'downstream', 10)
  harness.recorder.close(connection, 'killed', harness.nowMs)
  harness.writeAll()
  expect(harness.log).toEqual([])
  expect(harness.annotations().filter(({ kind }) => kind === 'gap')).toMatchObject([
    { length: lostBytes, why: OVERLOAD_DROPPED },
  ])
  const [close] = harness.closes()
  expect(close?.downstream).toMatchObject({
    seen: 60 * 64 * KIB + 10,
    stored: 60 * 64 * KIB + 10 - lostBytes,
  })
  expect(sum(close?.downstream.lost.map(({ length }) => length) ?? [])).toBe(lostBytes)
})

test('with drop, a connection opened, ended and closed without room is told of later', () => {
  const harness = new Harness({ overload: 'drop' })
  const loud = harness.open(1)
  while (harness.recorder.counters().lostBytes === 0) harness.send(loud, 'upstream', 64 * KIB)
  const quiet = harness.open(2)
  harness.send(quiet, 'upstream', 5)
  harness.fin(quiet, 'upstream')
  harness.fin(quiet, 'downstream')
  harness.recorder.close(quiet, 'client_fin', harness.nowMs)
  harness.writeAll()
  const ours = harness.annotations().filter((annotation) => 'id' in annotation && annotation.id === 2)
  expect(ours).toMatchObject([
    { kind: 'open' },
    { kind: 'close', reason: 'client_fin', upstream: { seen: 5, stored: 0 } },
  ])
})

test('with disconnect, the connection that finds no room is ended, once', () => {
  const harness = new Harness({ overload: 'disconnect' })
  const connection = harness.open(7)
  harness.onDisconnect = (track) => harness.recorder.close(track, 'error', harness.nowMs)
  while (harness.log.length === 0) harness.send(connection, 'upstream', 64 * KIB)
  harness.send(connection, 'upstream', 64 * KIB)
  expect(harness.log).toEqual(['disconnect 7: overload: disconnected'])
  harness.writeAll()
  expect(harness.closes()).toMatchObject([{ id: 7, reason: 'error' }])
})

test('an overload that comes and goes is reported once until it stays away', () => {
  const harness = new Harness({ overload: 'drop' })
  const connection = harness.open(1)
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 50; i++) harness.send(connection, 'upstream', 64 * KIB)
    harness.writeAll()
    harness.nowMs += 100
  }
  expect(harness.reports).toMatchObject([{ kind: 'overload', policy: 'drop' }])
  harness.nowMs += 1000
  harness.send(connection, 'upstream', 1)
  harness.writeAll()
  const { lostBytes } = harness.recorder.counters()
  expect(harness.reports.slice(1)).toEqual([{ kind: 'overload_over', policy: 'drop', lostBytes }])
})

test('after finish, what is still seen is lost, and what was buffered is still written', () => {
  const harness = new Harness()
  const connection = harness.open(1)
  harness.send(connection, 'upstream', 10)
  harness.recorder.finish()
  harness.send(connection, 'upstream', 5)
  harness.writeAll()
  expect(harness.recorder.counters()).toMatchObject({ seenBytes: 15, storedBytes: 10, lostBytes: 5 })
})

test('what is abandoned is lost, also what the sink just had', () => {
  const harness = new Harness()
  const connection = harness.open(1)
  harness.send(connection, 'upstream', 10)
  harness.recorder.take(true)
  harness.send(connection, 'upstream', 5)
  harness.recorder.close(connection, 'killed', harness.nowMs)
  harness.recorder.finish()
  harness.recorder.abandon('not written in time', harness.nowMs)
  expect(harness.recorder.counters()).toMatchObject({ lostBytes: 15, bufferedBytes: 0, unclosed: 1 })
})

test('the memory of a chunk belongs to the engine: it may change right after', () => {
  const harness = new Harness()
  const connection = harness.open(1)
  const chunk = pattern(2, 0, 50)
  harness.recorder.data(connection, chunk, 'upstream', harness.nowMs)
  chunk.fill(0)
  harness.writeAll()
  expect(harness.packets().at(-1)?.payload).toEqual(pattern(2, 0, 50))
})
