import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Direction } from '../../../src/core/direction.js'
import type { LedgerEntry, LostRange } from '../../../src/core/record/annotation.js'
import { EVERYTHING, SWITCHED_OFF, Switch, UNDECIDED } from '../../../src/core/record/capture.js'
import { SEVERAL, SEVERAL_CUTS } from '../../../src/core/record/ledger.js'
import type { Slab } from '../../../src/core/record/slab.js'
import type { ConnectionTrack, StreamTrack } from '../../../src/core/record/track.js'
import { compileRedaction } from '../../../src/core/redact/redaction.js'
import { Harness, streamNumber } from './harness.js'
import { concat, type ParsedPacket, parseFile, pattern } from './parse.js'

type Step =
  | { readonly do: 'open'; readonly maxBytes: number; readonly masks: boolean }
  | { readonly do: 'switch'; readonly on: boolean }
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
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('open' as const),
        maxBytes: fc.constantFrom(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 0, 150, 100_000),
        masks: fc.boolean(),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('switch' as const), on: fc.boolean() }),
    },
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

const LIMIT = 'first so many'

/** There is one in 256 bytes of a test stream, and for 60 of those it is not decided how much of it is masked. */
const MASKS = compileRedaction([{ pattern: '\\x40\\x5f\\x7e[^]{5,60}', after: null, ignoreCase: false }])

/** Plays the steps, then lets the sink work until nothing is left. Returns every connection there was. */
const play = (harness: Harness, script: readonly Step[]): readonly ConnectionTrack[] => {
  const all: ConnectionTrack[] = []
  const open: ConnectionTrack[] = []
  const taken: Slab[] = []
  const recording = new Switch()
  recording.set(true)
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
      const redaction = step.masks ? MASKS : null
      const capture = { ...EVERYTHING, maxBytes: step.maxBytes, limit: LIMIT, redaction, recording }
      const opened = harness.open(all.length + 1, undefined, undefined, undefined, capture)
      all.push(opened)
      open.push(opened)
    } else if (step.do === 'switch') recording.set(step.on)
    else if (step.do === 'take') {
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

/** What of the stream may stand in the file: all but what is cut, each piece masked as if it were alone. */
const expectedBytes = (stream: StreamTrack): Uint8Array => {
  const { seen, cut = [] } = stream.ledger.entry()
  const said = pattern(streamNumber(stream.connection.spec.id, stream.direction), 0, seen)
  const { redaction } = stream.connection.capture
  if (redaction === null) return said
  const expected = said.slice()
  let from = 0
  for (const { at, length } of [...cut, { at: seen, length: 0 }]) {
    // What follows decides what is masked, though it is not stored itself.
    const masked: Uint8Array[] = []
    const alone = redaction.stream()
    alone.push(said.subarray(from), (bytes, start, end) => masked.push(bytes.slice(start, end)))
    alone.end((bytes, start, end) => masked.push(bytes.slice(start, end)))
    expected.set(concat(masked).subarray(0, at - from), from)
    from = at + length
  }
  return expected
}

/** For each byte of the stream, whether the file has it; fails on a byte that is wrong or twice there. */
const storedBytes = (stream: StreamTrack, packets: readonly ParsedPacket[]): Uint8Array => {
  const found = new Uint8Array(stream.ledger.seen)
  const expected = expectedBytes(stream)
  for (const { seq, payload } of packets) {
    const start = (seq - stream.sequenceAt(0)) >>> 0
    for (let i = 0; i < payload.length; i++) {
      if (payload[i] !== expected[start + i] || found[start + i] !== 0)
        throw new Error(
          `byte ${start + i} of connection ${stream.connection.spec.id} is wrong or there twice`,
        )
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

/** What the file lacks: neighbours joined whatever their reason. */
const missing = ({ lost, cut = [] }: LedgerEntry): readonly [number, number][] => {
  const ranges: [number, number][] = []
  for (const { at, length } of [...lost, ...cut].sort((one, other) => one.at - other.at)) {
    const last = ranges.at(-1)
    if (last !== undefined && last[0] + last[1] === at) last[1] += length
    else ranges.push([at, length])
  }
  return ranges
}

const lengthOf = (ranges: readonly LostRange[]): number => ranges.reduce((sum, { length }) => sum + length, 0)

/** Beyond the limit nothing is stored, and only there is anything cut for it. */
const checkCuts = (stream: StreamTrack, { seen, cut = [] }: LedgerEntry): void => {
  const { maxBytes } = stream.connection.capture
  for (const { at, why } of cut) if (why === LIMIT) expect(at).toBeGreaterThanOrEqual(maxBytes)
  if (seen > maxBytes) expect(lengthOf(cut)).toBeGreaterThanOrEqual(seen - maxBytes)
  const others = cut.map(({ why }) => why).filter((why) => why !== LIMIT)
  for (const why of others) expect([SWITCHED_OFF, UNDECIDED]).toContain(why)
  // Only where nobody knows any more what would have followed: behind a switch, or where the stream was broken off.
  if (others.includes(UNDECIDED) && !others.includes(SWITCHED_OFF)) {
    expect(stream.connection.capture.redaction).not.toBe(null)
    expect(stream.fin).toBe('none')
  }
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
  const total = { seenBytes: 0, storedBytes: 0, lostBytes: 0, cutBytes: 0 }
  for (const connection of connections) {
    for (const stream of [connection.upstream, connection.downstream]) {
      const entry = stream.ledger.entry()
      const [lost, cut] = [lengthOf(entry.lost), lengthOf(entry.cut ?? [])]
      expect(closes.get(connection.spec.id)?.[stream.direction]).toEqual(entry)
      expect(entry.stored + lost + cut).toBe(entry.seen)
      checkCuts(stream, entry)
      const { source, destination } = endsOf(connection, stream)
      const ours = packets.filter((packet) => packet.source === source && packet.destination === destination)
      const found = storedBytes(stream, ours)
      const reasons = [...entry.lost, ...(entry.cut ?? [])].map(({ why }) => why)
      expect(reasons.some((why) => why === SEVERAL || why === SEVERAL_CUTS)).toBe(false)
      expect(missing(entry)).toEqual(rangesOf(found))
      total.seenBytes += entry.seen
      total.storedBytes += entry.stored
      total.lostBytes += lost
      total.cutBytes += cut
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
  'with %s, however connections, limits, switching, masks, failures and overload interleave, the file has exactly what the ledger says',
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
  override open(...[id, , server, listener, capture]: Parameters<Harness['open']>): ConnectionTrack {
    return super.open(id, { kind: 'unix', path: '' }, server, listener, capture)
  }
}
