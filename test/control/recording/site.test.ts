/** A recording from several threads, with the threads. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, expect, it, test, vi } from 'vitest'
import type { RecordingCounters } from '../../../src/control/recording/recording.js'
import { seatPorts } from '../../../src/control/recording/seat.js'
import { startSeat } from '../../../src/control/recording/seat-recording.js'
import { openRecordingSite, type RecordingSite } from '../../../src/control/recording/site.js'
import { type Address, formatAddress, parseAddress } from '../../../src/core/address.js'
import type { Direction } from '../../../src/core/direction.js'
import type { ConversationEvent } from '../../../src/recording.js'
import { openRecording } from '../../../src/recording.js'
import { openFileSink } from '../../../src/sinks/file/file-sink.js'
import { parseFile } from '../../core/record/parse.js'
import { expectSoundThroughout } from '../../support/recording.js'
import { describeWith } from '../../support/tools.js'
import { openFileStore } from './rig.js'
import { lines } from './said.js'

const SERVER = parseAddress('10.0.0.1:6379')
const CLIENT = parseAddress('10.0.0.2:40000')
const client = (port: number): Address => parseAddress(`10.0.0.2:${port}`)

let folder: string
let file: string
const planes: PlaneThread[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidegate-site-'))
  file = join(folder, 'x.pcapng')
})
afterEach(async () => {
  for (const plane of planes.splice(0)) await plane.terminate()
  await rm(folder, { recursive: true })
})

const until = (condition: () => boolean): Promise<void> =>
  vi.waitFor(() => expect(condition()).toBe(true), { timeout: 10_000, interval: 5 })

const open = async (planeCount: number, { logger, said } = lines()) => {
  const site = await openRecordingSite({
    store: await openFileStore(file),
    listeners: [{ name: 'one', description: '' }],
    application: 'tidegate test',
    maxBufferedBytes: 4 * 1024 * 1024,
    planes: planeCount,
    logger,
  })
  return { site, said }
}

/** Does one thing after the other on another thread; see plane-thread.mjs. */
class PlaneThread {
  readonly #worker: Worker

  constructor(site: RecordingSite, plane: number) {
    const seat = site.seat(plane)
    this.#worker = new Worker(new URL('./plane-thread.mjs', import.meta.url), {
      workerData: seat,
      transferList: [...seatPorts(seat)],
    })
    planes.push(this)
  }

  async #tell(...order: readonly unknown[]): Promise<unknown> {
    const answered = once(this.#worker, 'message')
    this.#worker.postMessage(order)
    const [{ answer }] = await answered
    return answer
  }

  async open(id: number, from: Address = CLIENT, maxBytes = Number.POSITIVE_INFINITY): Promise<void> {
    await this.#tell('open', id, from, SERVER, maxBytes)
  }

  async data(id: number, direction: Direction, count: number, length: number): Promise<void> {
    await this.#tell('data', id, direction, count, length)
  }

  async end(id: number): Promise<void> {
    await this.#tell('end', id, 'client_fin')
  }

  async close(timeoutMs = 10_000): Promise<RecordingCounters> {
    return (await this.#tell('close', timeoutMs)) as RecordingCounters
  }

  async lastWords(id: number, direction: Direction, count: number, length: number): Promise<void> {
    const died = new Promise((resolve) => this.#worker.once('error', resolve))
    this.#worker.postMessage(['lastWords', id, direction, count, length])
    await died
  }

  terminate(): Promise<unknown> {
    return this.#worker.terminate()
  }
}

const eventsOf = async (): Promise<readonly ConversationEvent[]> => {
  const recording = await openRecording(file)
  const events: ConversationEvent[] = []
  for await (const event of recording.events()) {
    if (event.kind === 'data') events.push({ ...event, bytes: event.bytes.slice() })
    else events.push(event)
  }
  expect(recording.damage).toBeNull()
  return events
}

const bytesOf = (events: readonly ConversationEvent[], connection: number): Buffer =>
  Buffer.concat(
    events.flatMap((event) =>
      event.kind === 'data' && event.connection === connection ? [event.bytes] : [],
    ),
  )

/** What the file calls the connection of this client. */
const numberOf = (events: readonly ConversationEvent[], from: Address): number =>
  events.find((event) => event.kind === 'open' && event.client === formatAddress(from))?.connection ?? -1

/** What `data(id, direction, count, length)` has sent. */
const sent = (id: number, count: number, length: number): Buffer =>
  Buffer.concat(
    Array.from({ length: count }, (_, n) => {
      const chunk = Buffer.alloc(length, id)
      chunk.writeUInt32BE(n)
      return chunk
    }),
  )

test('threads write one file, each connection in order, and the site counts them all', async () => {
  const { site } = await open(3)
  const here = startSeat(site.seat(0))
  const threads = [new PlaneThread(site, 1), new PlaneThread(site, 2)]
  const COUNT = 200
  const LENGTH = 10_000
  await Promise.all(threads.map((thread, n) => thread.open(n + 1, client(5000 + n))))
  for (let round = 0; round < 3; round++)
    await Promise.all(threads.map((thread, n) => thread.data(n + 1, 'upstream', COUNT, LENGTH)))
  const tap = here.open({ id: 3, listener: 'one', client: client(5002), server: SERVER }, () => null)
  tap.data(sent(3, 1, 100), 'downstream')
  await until(() => site.counters().storedBytes === 3 * 2 * COUNT * LENGTH + 100)
  expect(site.counters()).toMatchObject({ connections: 3, lostBytes: 0, writeFailures: 0 })
  tap.close('client_fin')
  await Promise.all(threads.map((thread, n) => thread.end(n + 1)))
  await Promise.all([here.close(), ...threads.map((thread) => thread.close())])
  const counters = await site.close()
  expect(counters).toMatchObject({ connections: 3, lostBytes: 0, bufferedBytes: 0, unclosed: 0 })
  const events = await eventsOf()
  for (const id of [1, 2]) {
    const round = sent(id, COUNT, LENGTH)
    const found = bytesOf(events, numberOf(events, client(4999 + id)))
    expect(found.equals(Buffer.concat([round, round, round]))).toBe(true)
  }
  expect(events.filter(({ kind }) => kind === 'close')).toHaveLength(3)
})

describeWith(['tshark'], 'a recording from several threads', () => {
  it('is sound to verify, tshark and the library, though packets of different threads are not in order of time', async () => {
    const { site } = await open(3)
    const here = startSeat(site.seat(0))
    const threads = [new PlaneThread(site, 1), new PlaneThread(site, 2)]
    await Promise.all(threads.map((thread, n) => thread.open(n + 1, client(6000 + n))))
    for (let round = 1; round <= 5; round++) {
      // One sends little, which waits for the flush; the other at once more than a slab holds.
      await threads[0]?.data(1, 'upstream', 1, 100 * round)
      await threads[1]?.data(2, 'downstream', 10, 60_000)
    }
    await Promise.all(threads.map((thread, n) => thread.end(n + 1)))
    await Promise.all([here.close(), ...threads.map((thread) => thread.close())])
    expect(await site.close()).toMatchObject({ lostBytes: 0, unclosed: 0 })
    const times = parseFile(await readFile(file)).packets.map(({ timeNs }) => timeNs)
    expect(times.some((time, n) => time < (times[n - 1] ?? 0n))).toBe(true)
    expect((await expectSoundThroughout(file)).size).toBe(2)
  }, 60_000)
})

test('two connections never have the same ends in one recording, whichever threads they are on', async () => {
  const { site } = await open(3)
  const here = startSeat(site.seat(0))
  const threads = [new PlaneThread(site, 1), new PlaneThread(site, 2)]
  await Promise.all(threads.map((thread, n) => thread.open(n + 1)))
  here.open({ id: 3, listener: 'one', client: CLIENT, server: SERVER }, () => null)
  await Promise.all([here.close(), ...threads.map((thread) => thread.close())])
  await site.close()
  const { packets } = parseFile(await readFile(file))
  const sources = packets.filter(({ flags }) => flags === 'syn').map(({ source }) => source)
  expect(new Set(sources).size).toBe(3)
  expect(sources).toContain('0a000002:40000')
})

test('a plane that dies loses only what it had not handed over, and not what was cut; that is counted, and said once', async () => {
  const { site, said } = await open(2)
  const here = startSeat(site.seat(0))
  const doomed = new PlaneThread(site, 1)
  await doomed.open(1, CLIENT, 12_000)
  await doomed.data(1, 'upstream', 10, 1000)
  await until(() => site.counters().storedBytes === 10_000)
  await doomed.lastWords(1, 'upstream', 5, 1000)
  await until(() => said.length > 0)
  expect(said).toEqual([
    `warn the recording to '${file}' lacks what thread 1 had not handed over when it ended: 2000 bytes, and how 1 connections ended`,
  ])
  expect(site.counters()).toMatchObject({
    seenBytes: 15_000,
    storedBytes: 10_000,
    lostBytes: 2000,
    cutBytes: 3000,
    bufferedBytes: 0,
    unclosed: 1,
  })
  // Its successor may have the same ends: nobody uses them any more.
  const successor = new PlaneThread(site, 1)
  await successor.open(2)
  await successor.end(2)
  await Promise.all([here.close(), successor.close()])
  expect(await site.close()).toMatchObject({ connections: 2, unclosed: 1 })
  const { packets } = parseFile(await readFile(file))
  expect(packets.filter(({ flags }) => flags === 'syn').map(({ source }) => source)).toEqual([
    '0a000002:40000',
    '0a000002:40000',
  ])
})

test('when the thread that writes dies, everything after is lost as with a broken disk, and closing does not wait', async () => {
  const { site, said } = await open(2)
  const seat = site.seat(0)
  const here = startSeat(seat)
  const thread = new PlaneThread(site, 1)
  await thread.open(1)
  await thread.data(1, 'upstream', 1, 1000)
  await until(() => site.counters().storedBytes === 1000)
  // No plane ever sends that: it stands for a defect in the thread.
  seat.slabs.postMessage(null)
  await until(() => said.some((line) => line.startsWith('error the thread that writes')))
  await thread.data(1, 'downstream', 1, 500)
  const tap = here.open({ id: 2, listener: 'one', client: client(5), server: SERVER }, () => null)
  tap.data(new Uint8Array(70), 'upstream')
  // The figures are shared memory, what is said comes by message: it may be later.
  await until(() => site.counters().lostBytes === 570 && said.length > 1)
  const why = 'write failed: the writer thread ended'
  expect(said.slice(1)).toEqual([`warn the recording to '${file}' fails, bytes are lost: ${why}`])
  await Promise.all([here.close(), thread.close()])
  expect(await site.close()).toMatchObject({ seenBytes: 1570, storedBytes: 1000, lostBytes: 570 })
  expect(bytesOf(await eventsOf(), 1).equals(sent(1, 1, 1000))).toBe(true)
})

test('closing gives up a plane that does not close its seat, says so, and closes the file', async () => {
  const { site, said } = await open(2)
  const here = startSeat(site.seat(0))
  const thread = new PlaneThread(site, 1)
  await thread.open(1)
  await here.close()
  await site.close(50)
  expect(said).toEqual([`warn the recording to '${file}' was not finished in time`])
  await (await openFileSink(file)).close()
})

test.each([
  ['process.exit', 'process.exit(7)', 7],
  ['an uncaught error', "throw new Error('mine')", 1],
])('%s ends a process that records at once', async (_, how, code) => {
  const script = `
    import { openRecordingSite } from '${new URL('../../../build/control/recording/site.js', import.meta.url)}'
    import { startSeat } from '${new URL('../../../build/control/recording/seat-recording.js', import.meta.url)}'
    import { openFileSink } from '${new URL('../../../build/sinks/file/file-sink.js', import.meta.url)}'
    const sink = await openFileSink(${JSON.stringify(file)})
    const store = { where: 'x', spec: { kind: 'file', target: sink.target }, close: () => sink.close() }
    const site = await openRecordingSite({ store, listeners: [], application: 'x' })
    const here = startSeat(site.seat(0))
    const client = { kind: 'unix', path: '' }
    const tap = here.open({ id: 1, listener: '', client, server: client }, () => null)
    for (let i = 0; i < 1000; i++) tap.data(new Uint8Array(65536), 'upstream')
    setImmediate(() => { ${how} })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' })
  const [exitCode] = await once(child, 'exit')
  expect(exitCode).toBe(code)
})
