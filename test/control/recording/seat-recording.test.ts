import { expect, test, vi } from 'vitest'
import type {
  ConnectionTap,
  Holdable,
  Recording,
  RecordingCounters,
} from '../../../src/control/recording/recording.js'
import { startSeat } from '../../../src/control/recording/seat-recording.js'
import type { CloseReason } from '../../../src/core/close-reason.js'
import { decodeAnnotation } from '../../../src/core/record/annotation.js'
import { TidegateError } from '../../../src/errors.js'
import type { WholeStore } from '../../../src/ports/store.js'
import { concat, parseFile } from '../../core/record/parse.js'
import { openRig, type RigOptions, soleRecording } from './rig.js'
import { lines } from './said.js'

/** A sink whose writes wait for the test's answer, unless it says `auto`. */
class HandSink implements WholeStore {
  readonly where = 'memory'
  readonly stored: Uint8Array[] = []
  closed = 0
  auto: boolean
  failure: Error | null = null
  #pending: { resolve: () => void; reject: (error: Error) => void; bytes: Uint8Array } | null = null

  constructor(auto: boolean) {
    this.auto = auto
  }

  get isWriting(): boolean {
    return this.#pending !== null
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#pending !== null) throw new Error('a second write before the first settled')
    if (this.closed > 0) throw new Error('a write after close')
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject, bytes }
      if (this.auto) queueMicrotask(() => this.answer())
    })
  }

  answer(): void {
    const pending = this.#pending
    this.#pending = null
    if (pending === null) return
    if (this.failure !== null) pending.reject(this.failure)
    else {
      this.stored.push(pending.bytes.slice())
      pending.resolve()
    }
  }

  close(): void {
    this.closed++
  }

  packets() {
    return parseFile(concat(this.stored)).packets
  }

  closes() {
    return this.packets()
      .flatMap(({ comments }) => comments.map(decodeAnnotation))
      .filter((annotation) => annotation?.kind === 'close')
  }
}

class FakeLink implements Holdable {
  held = 0
  destroyed: { reason: CloseReason; error: Error | undefined } | null = null
  hold(): void {
    this.held++
  }
  release(): void {
    this.held--
  }
  destroy(reason: CloseReason, error?: Error): void {
    this.destroyed = { reason, error }
  }
}

const FULL = new TidegateError('write_failed', 'full', { fault: 'system', errno: 'ENOSPC' })

const start = async (sink: WholeStore, options: RigOptions = {}): Promise<Recording> =>
  soleRecording(await openRig(sink, options))

let nextId = 1
const open = (recording: Recording, link: Holdable | null = null): ConnectionTap =>
  recording.open(
    {
      id: nextId++,
      listener: 'one',
      client: { kind: 'tcp', host: '127.0.0.1', port: 40_000 },
      server: { kind: 'tcp', host: '127.0.0.1', port: 6379 },
    },
    () => link,
  )

const CHUNK = new Uint8Array(64 * 1024).fill(7)

const until = (condition: () => boolean): Promise<void> =>
  vi.waitFor(() => expect(condition()).toBe(true), { timeout: 10_000, interval: 5 })

test('what is recorded reaches the sink within the flush interval, without anything pushing it', async () => {
  const sink = new HandSink(true)
  const recording = await start(sink)
  open(recording).data(CHUNK, 'upstream')
  await until(() => recording.counters().storedBytes === CHUNK.length)
  expect(sink.packets().length).toBeGreaterThan(3)
  await recording.close()
})

test('packets carry the time of day', async () => {
  const sink = new HandSink(true)
  const recording = await start(sink)
  const before = Date.now()
  open(recording)
  await recording.close()
  const timeMs = Number((sink.packets()[0]?.timeNs ?? 0n) / 1_000_000n)
  expect(timeMs).toBeGreaterThan(before - 50)
  expect(timeMs).toBeLessThan(Date.now() + 50)
})

test('closing writes everything that is left, also the close of connections that just ended, and is idempotent', async () => {
  const sink = new HandSink(true)
  const recording = await start(sink)
  const tap = open(recording)
  tap.data(CHUNK, 'upstream')
  tap.data(CHUNK, 'downstream')
  tap.close('killed')
  const [first, second] = await Promise.all([recording.close(), recording.close()])
  expect(second).toBe(first)
  expect(first).toMatchObject({ storedBytes: 2 * CHUNK.length, lostBytes: 0, bufferedBytes: 0, unclosed: 0 })
  expect(sink.closes()).toMatchObject([{ reason: 'killed', upstream: { stored: CHUNK.length } }])
  expect(sink.closed).toBe(1)
})

test('a tap that goes on after the close of the recording only counts', async () => {
  const sink = new HandSink(true)
  const recording = await start(sink)
  const tap = open(recording)
  await recording.close()
  tap.data(CHUNK, 'upstream')
  tap.endOfStream('upstream')
  tap.close('killed')
  open(recording).data(CHUNK, 'upstream')
  expect(recording.counters()).toMatchObject({
    seenBytes: 2 * CHUNK.length,
    lostBytes: 2 * CHUNK.length,
    bufferedBytes: 0,
    connections: 2,
  })
})

test('a sink that never answers is given up after the timeout, and what it has not taken is counted lost', async () => {
  const sink = new HandSink(false)
  const { logger, said } = lines()
  const recording = await start(sink, { logger })
  const tap = open(recording)
  tap.data(CHUNK, 'upstream')
  tap.close('killed')
  expect(await recording.close(50)).toMatchObject({ lostBytes: CHUNK.length, storedBytes: 0, unclosed: 1 })
  expect(said).toEqual(["warn the recording to 'memory' was not finished in time"])
  sink.answer()
})

test('a slow sink holds every recorded link, and those that are opened meanwhile, until it has caught up', async () => {
  const sink = new HandSink(false)
  const recording = await start(sink)
  const [loud, quiet, late] = [new FakeLink(), new FakeLink(), new FakeLink()]
  open(recording, quiet)
  const tap = open(recording, loud)
  while (loud.held === 0) tap.data(CHUNK, 'upstream')
  expect(quiet.held).toBe(1)
  let made: Holdable | null = null
  recording.open(
    {
      id: 99,
      listener: 'one',
      client: { kind: 'unix', path: '' },
      server: { kind: 'unix', path: '/run/x' },
    },
    () => made,
  )
  made = late
  await until(() => late.held === 1)
  tap.data(CHUNK, 'upstream')
  expect([quiet.held, loud.held, late.held]).toEqual([1, 1, 1])
  sink.auto = true
  sink.answer()
  await until(() => loud.held === 0)
  expect([quiet.held, loud.held, late.held]).toEqual([0, 0, 0])
  const counters = await recording.close()
  expect(counters).toMatchObject({ lostBytes: 0, holds: 1 })
  expect(counters.storedBytes).toBe(counters.seenBytes)
})

test('closing lets go of the links that are held', async () => {
  const sink = new HandSink(false)
  const recording = await start(sink)
  const link = new FakeLink()
  const tap = open(recording, link)
  while (link.held === 0) tap.data(CHUNK, 'upstream')
  const closing = recording.close()
  expect(link.held).toBe(0)
  sink.auto = true
  expect(await closing).toMatchObject({ lostBytes: 0 })
})

test('with disconnect, a slow sink ends the connection that brings too much', async () => {
  const sink = new HandSink(false)
  const { logger, said } = lines()
  const recording = await start(sink, { overload: 'disconnect', logger })
  const link = new FakeLink()
  const tap = open(recording, link)
  while (link.destroyed === null) tap.data(CHUNK, 'upstream')
  expect(link.destroyed).toMatchObject({ reason: 'error', error: { code: 'write_failed' } })
  expect(link.destroyed.error?.message).toMatch(/^connection \d+ could not be recorded: overload/)
  await until(() => said.length > 0)
  expect(said).toEqual(["warn the recording to 'memory' is slower than the traffic: connections are ended"])
  await recording.close(10)
})

test('a failing sink is said once with its errno, and once more when it works again', async () => {
  const sink = new HandSink(true)
  sink.failure = FULL
  const { logger, said } = lines()
  const recording = await start(sink, { logger })
  const link = new FakeLink()
  const tap = open(recording, link)
  for (let failures = 1; failures <= 3; failures++) {
    tap.data(CHUNK, 'upstream')
    await until(() => recording.counters().writeFailures === failures)
  }
  expect(said).toEqual(["warn the recording to 'memory' fails, bytes are lost: write failed: ENOSPC"])
  sink.failure = null
  tap.data(CHUNK, 'upstream')
  await until(() => recording.counters().storedBytes === CHUNK.length)
  expect(link).toMatchObject({ held: 0, destroyed: null })
  await recording.close()
  expect(said.slice(1)).toEqual([
    `info the recording to 'memory' works again; ${3 * CHUNK.length} bytes were lost`,
  ])
})

test('with onFailure disconnect, a failing sink ends the connections whose bytes were lost', async () => {
  const sink = new HandSink(true)
  sink.failure = FULL
  const recording = await start(sink, { onFailure: 'disconnect' })
  const [harmed, idle] = [new FakeLink(), new FakeLink()]
  open(recording, idle)
  open(recording, harmed).data(CHUNK, 'upstream')
  await until(() => harmed.destroyed !== null)
  expect(harmed.destroyed?.reason).toBe('error')
  expect(idle.destroyed).toBeNull()
  await recording.close()
})

test('the close of a connection is tried again without traffic, once the sink works again', async () => {
  const sink = new HandSink(true)
  sink.failure = FULL
  const recording = await start(sink)
  const tap = open(recording)
  tap.close('killed')
  await until(() => recording.counters().writeFailures > 0)
  sink.failure = null
  await until(() => sink.closes().length === 1)
  await recording.close()
})

test('a sink that fails to the very end lets the recording close, with every byte accounted for', async () => {
  const sink = new HandSink(true)
  sink.failure = FULL
  const recording = await start(sink)
  const tap = open(recording)
  tap.data(CHUNK, 'upstream')
  tap.close('killed')
  expect(await recording.close()).toMatchObject({
    seenBytes: CHUNK.length,
    lostBytes: CHUNK.length,
    bufferedBytes: 0,
    unclosed: 1,
  })
  expect(sink.closed).toBe(1)
})

/** Two planes of one site, both on this thread. */
const startTwo = async (sink: WholeStore, options: RigOptions = {}) => {
  const site = await openRig(sink, { planes: 2, maxBufferedBytes: 2 * 1024 * 1024, ...options })
  const planes = [startSeat(site.seat(0)), startSeat(site.seat(1))] as const
  const close = async (timeoutMs?: number): Promise<RecordingCounters> => {
    await Promise.all(planes.map((plane) => plane.close(timeoutMs)))
    return site.close(timeoutMs)
  }
  return { site, planes, close }
}

test('a failing sink is said once for all planes, and once when none of them has it any more, also without traffic', async () => {
  const sink = new HandSink(true)
  const { logger, said } = lines()
  const { site, planes, close } = await startTwo(sink, { logger })
  const [one, two] = planes.map((plane) => open(plane))
  await until(() => site.counters().bufferedBytes === 0)
  sink.failure = FULL
  one?.data(CHUNK, 'upstream')
  two?.data(CHUNK, 'upstream')
  await until(() => site.counters().lostBytes === 2 * CHUNK.length)
  expect(said).toEqual(["warn the recording to 'memory' fails, bytes are lost: write failed: ENOSPC"])
  sink.failure = null
  // The other plane has nothing to write; it learns from this that the sink works.
  one?.data(CHUNK, 'upstream')
  await until(() => said.length > 1)
  expect(said.slice(1)).toEqual([
    `info the recording to 'memory' works again; ${2 * CHUNK.length} bytes were lost`,
  ])
  await close()
  expect(said).toHaveLength(2)
})

test('a slow sink holds the links of the plane that is out of slabs, and no others', async () => {
  const sink = new HandSink(false)
  const { site, planes, close } = await startTwo(sink)
  const [loud, quiet] = [new FakeLink(), new FakeLink()]
  const [one, two] = [open(planes[0], loud), open(planes[1], quiet)]
  while (loud.held === 0) one.data(CHUNK, 'upstream')
  two.data(CHUNK, 'upstream')
  expect(quiet.held).toBe(0)
  expect(site.counters().bufferedBytes).toBeLessThan(1024 * 1024)
  sink.auto = true
  sink.answer()
  await until(() => loud.held === 0)
  expect(await close()).toMatchObject({ lostBytes: 0, holds: 1 })
})
