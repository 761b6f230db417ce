import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Direction } from '../../../src/core/direction.js'
import type { LedgerEntry } from '../../../src/core/record/annotation.js'
import { SEVERAL } from '../../../src/core/record/ledger.js'
import type { Slab } from '../../../src/core/record/slab.js'
import type { ConnectionTrack, StreamTrack } from '../../../src/core/record/track.js'
import { Harness, streamNumber } from './harness.js'
import { type ParsedPacket, parseFile, patternByte } from './parse.js'

type Step =
  | { readonly do: 'open' }
  | {
      readonly do: 'data'
      readonly who: number
      readonly direction: Direction
      readonly length: number
      readonly times: number
    }
  | { readonly do: 'fin'; readonly who: number; readonly direction: Direction }
  | { readonly do: 'close'; readonly who: number }
  | { readonly do: 'take'; readonly partial: boolean }
  | { readonly do: 'settle'; readonly failure: string | null }

const direction = fc.constantFrom<Direction>('upstream', 'downstream')
const who = fc.nat(5)
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    { weight: 2, arbitrary: fc.record({ do: fc.constant('open' as const) }) },
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('data' as const),
        who,
        direction,
        length: fc.oneof(fc.nat(200), fc.integer({ min: 60_000, max: 140_000 })),
        times: fc.integer({ min: 1, max: 6 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('fin' as const), who, direction }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('close' as const), who }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('take' as const), partial: fc.boolean() }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('settle' as const),
        failure: fc.constantFrom(null, null, 'write failed: ENOSPC', 'write failed: EIO'),
      }),
    },
  ),
  { maxLength: 80 },
)

/** Plays the steps, then lets the sink work until nothing is left. Returns every connection there was. */
const play = (harness: Harness, script: readonly Step[]): readonly ConnectionTrack[] => {
  const all: ConnectionTrack[] = []
  const open: ConnectionTrack[] = []
  const taken: Slab[] = []
  const settle = (failure: string | null): void => {
    const slab = taken.shift()
    if (slab === undefined) return
    if (failure === null) harness.file.push(slab.contents.slice())
    harness.recorder.settle(failure, harness.nowMs)
  }
  for (const step of script) {
    harness.nowMs += 50
    const connection = 'who' in step ? open[step.who % Math.max(1, open.length)] : undefined
    if (step.do === 'open') {
      const opened = harness.open(all.length + 1)
      all.push(opened)
      open.push(opened)
    } else if (step.do === 'take') {
      const slab = harness.recorder.take(step.partial)
      if (slab !== null) taken.push(slab)
    } else if (step.do === 'settle') settle(step.failure)
    else if (connection === undefined) continue
    else if (step.do === 'data') {
      // Nothing follows a FIN.
      if (connection[step.direction].fin === 'none')
        for (let i = 0; i < step.times; i++) harness.send(connection, step.direction, step.length)
    } else if (step.do === 'fin') harness.fin(connection, step.direction)
    else {
      open.splice(open.indexOf(connection), 1)
      harness.recorder.close(connection, 'killed', harness.nowMs)
    }
  }
  while (taken.length > 0) settle(null)
  for (const connection of open) harness.recorder.close(connection, 'killed', harness.nowMs)
  harness.recorder.retryCloses()
  harness.writeAll()
  return all
}

/** For each byte of the stream, whether the file has it; fails on a byte that is wrong or twice there. */
const storedBytes = (stream: StreamTrack, packets: readonly ParsedPacket[]): Uint8Array => {
  const found = new Uint8Array(stream.ledger.seen)
  const number = streamNumber(stream.connection.spec.id, stream.direction)
  for (const { seq, payload } of packets) {
    const start = (seq - stream.sequenceAt(0)) >>> 0
    for (let i = 0; i < payload.length; i++) {
      if (payload[i] !== patternByte(number, start + i) || found[start + i] !== 0)
        throw new Error(`byte ${start + i} of stream ${number} is wrong or there twice`)
      found[start + i] = 1
    }
  }
  return found
}

const rangesOf = (found: Uint8Array): readonly [number, number][] => {
  const ranges: [number, number][] = []
  for (let at = 0; at < found.length; at++) {
    const last = ranges.at(-1)
    if (found[at] === 1) continue
    if (last !== undefined && last[0] + last[1] === at) last[1]++
    else ranges.push([at, 1])
  }
  return ranges
}

/** Neighbours joined whatever their reason. */
const joined = (lost: LedgerEntry['lost']): readonly [number, number][] => {
  const ranges: [number, number][] = []
  for (const { at, length } of lost) {
    const last = ranges.at(-1)
    if (last !== undefined && last[0] + last[1] === at) last[1] += length
    else ranges.push([at, length])
  }
  return ranges
}

const check = (harness: Harness, connections: readonly ConnectionTrack[]): void => {
  const { blocks, packets } = parseFile(harness.contents())
  expect(blocks.slice(0, 3)).toEqual([0x0a0d0d0a, 1, 1])
  expect(blocks.slice(3).every((type) => type === 6)).toBe(true)
  expect(packets.every(({ checksumsRight }) => checksumsRight)).toBe(true)
  const closes = new Map(harness.closes().map((close) => [close.id, close]))
  const opens = harness.annotations().filter(({ kind }) => kind === 'open')
  expect(opens).toHaveLength(connections.length)
  expect(closes.size).toBe(connections.length)
  const total = { seenBytes: 0, storedBytes: 0, lostBytes: 0 }
  for (const connection of connections) {
    for (const stream of [connection.upstream, connection.downstream]) {
      const entry = stream.ledger.entry()
      const lost = entry.lost.reduce((bytes, { length }) => bytes + length, 0)
      expect(closes.get(connection.spec.id)?.[stream.direction]).toEqual(entry)
      expect(entry.stored + lost).toBe(entry.seen)
      const { source, destination } = endsOf(connection, stream)
      const ours = packets.filter((packet) => packet.source === source && packet.destination === destination)
      const found = storedBytes(stream, ours)
      expect(entry.lost.some(({ why }) => why === SEVERAL)).toBe(false)
      expect(joined(entry.lost)).toEqual(rangesOf(found))
      total.seenBytes += entry.seen
      total.storedBytes += entry.stored
      total.lostBytes += lost
    }
  }
  expect(harness.recorder.counters()).toMatchObject({ ...total, bufferedBytes: 0, unclosed: 0 })
}

/** Each connection of a run has the same server and a client port of its own. */
const endsOf = (connection: ConnectionTrack, stream: StreamTrack) => {
  const client = `c0000201:${1024 + connection.spec.id}`
  const server = '0a000001:6379'
  return stream.direction === 'upstream'
    ? { source: client, destination: server }
    : { source: server, destination: client }
}

test.each(['block', 'drop', 'disconnect'] as const)(
  'with %s, however connections, failures and overload interleave, the file has exactly what the ledger says',
  (overload) => {
    fc.assert(
      fc.property(steps, (script) => {
        const harness = new UnixClients({ overload })
        check(harness, play(harness, script))
      }),
      { numRuns: 60 },
    )
  },
)

/** Clients on a unix socket: their ports come from their numbers, so that each has its own. */
class UnixClients extends Harness {
  override open(id: number): ConnectionTrack {
    return super.open(id, { kind: 'unix', path: '' })
  }
}
