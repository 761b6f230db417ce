/** A spool from end to end: what is recorded reaches the sink, whatever happens in between. */

import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { TidegateError } from '../../../src/errors.js'
import type { Sink, SinkRecord } from '../../../src/ports/sink.js'
import { openSpoolDir } from '../../../src/sinks/spool/spool-dir.js'
import { MemoryPlace } from '../../support/memory-sink.js'
import { filesIn, MIB, rangesOf, SpoolRun, tempFolder } from './rig.js'

const KIB = 1024

const until = (condition: () => boolean): Promise<void> =>
  vi.waitFor(() => expect(condition()).toBe(true), { timeout: 10_000, interval: 5 })

/** Fails until it is told otherwise. */
class AwaySink implements Sink {
  readonly where = 'away://there'
  readonly taken: SinkRecord[] = []
  isAway = true
  fault: 'usage' | 'peer' = 'peer'
  opens = 0
  closes = 0

  async open(): Promise<void> {
    this.opens++
    if (this.isAway) throw new TidegateError('connection_refused', 'nobody is there', { fault: this.fault })
  }

  async write(batch: readonly SinkRecord[]): Promise<void> {
    if (this.isAway) throw new Error('gone')
    this.taken.push(...batch)
  }

  async close(): Promise<void> {
    this.closes++
  }
}

/** Takes batches and never answers, until its signal is aborted. */
class HungSink implements Sink {
  readonly where = 'hung://there'
  writes = 0
  aborted = false

  async open(): Promise<void> {}

  write(_: readonly SinkRecord[], signal: AbortSignal): Promise<void> {
    this.writes++
    return new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        this.aborted = true
        reject(new Error('aborted'))
      })
    })
  }

  async close(): Promise<void> {}
}

const kinds = (records: readonly SinkRecord[]): readonly string[] => records.map(({ kind }) => kind)

describe('delivery', () => {
  it('a connection arrives as its records, under lasting names, in order', async () => {
    const place = new MemoryPlace()
    const run = await SpoolRun.open(tempFolder(), place.connect())
    const connection = run.harness.open(7)
    run.harness.send(connection, 'upstream', 5)
    run.harness.send(connection, 'downstream', 3)
    run.harness.fin(connection, 'upstream')
    run.harness.fin(connection, 'downstream')
    run.harness.recorder.close(connection, 'client_fin', run.harness.nowMs)
    await run.flush()
    await run.close()
    const key = { recording: 'run-1', connection: 7 }
    const timeNs = BigInt(run.harness.nowMs) * 1_000_000n
    const whole = { lost: [] }
    expect(place.records).toMatchObject([
      { kind: 'open', ...key, timeNs, listener: 'one', client: '127.0.0.1:40000', server: '10.0.0.1:6379' },
      { kind: 'data', ...key, timeNs, direction: 'upstream', at: 0 },
      { kind: 'data', ...key, timeNs, direction: 'downstream', at: 0 },
      { kind: 'fin', ...key, timeNs, direction: 'upstream', at: 5 },
      { kind: 'fin', ...key, timeNs, direction: 'downstream', at: 3 },
      {
        kind: 'close',
        ...key,
        reason: 'client_fin',
        upstream: { seen: 5, stored: 5, ...whole },
        downstream: { seen: 3, stored: 3, ...whole },
      },
    ])
    expect(rangesOf(place.records, 'run-1', 7, 'upstream')).toEqual([[0, 5]])
    expect(run.deliveredRecords).toBe(6)
  })

  it('what is delivered is removed, also while nothing more comes', async () => {
    const folder = tempFolder()
    const place = new MemoryPlace()
    const run = await SpoolRun.open(folder, place.connect())
    run.harness.send(run.harness.open(1), 'upstream', 100)
    await run.flush()
    expect(run.spooledBytes).toBeGreaterThan(100)
    await until(() => run.spooledBytes === 0)
    expect(filesIn(folder)).toEqual([])
    expect(rangesOf(place.records, 'run-1', 1, 'upstream')).toEqual([[0, 100]])
    await run.close()
  })

  it('a loss is a gap that says why', async () => {
    const place = new MemoryPlace()
    const run = await SpoolRun.open(tempFolder(), place.connect())
    const connection = run.harness.open(1)
    run.harness.send(connection, 'upstream', 10)
    await run.flush()
    run.harness.send(connection, 'upstream', 20)
    run.harness.write('write failed: ENOSPC')
    run.harness.send(connection, 'upstream', 30)
    run.harness.recorder.close(connection, 'killed', run.harness.nowMs)
    await run.flush()
    await run.close()
    expect(place.records.slice(2)).toMatchObject([
      { kind: 'gap', at: 10, length: 20, why: 'write failed: ENOSPC', cut: false },
      { kind: 'data', at: 30 },
      { kind: 'close', upstream: { seen: 60, stored: 40, lost: [{ at: 10, length: 20 }] } },
    ])
  })

  it('a connection that lasts for many segments is one connection, each byte at its place', async () => {
    const place = new MemoryPlace()
    const folder = tempFolder()
    const run = await SpoolRun.open(folder, place.connect(), { maxBytes: 2 * MIB })
    const long = run.harness.open(1)
    for (let round = 0; round < 20; round++) {
      run.harness.send(long, 'upstream', 100 * KIB)
      run.harness.send(long, 'downstream', 50 * KIB)
      const short = run.harness.open(100 + round, undefined, undefined, 'two')
      run.harness.send(short, 'upstream', 10)
      run.harness.recorder.close(short, 'client_fin', run.harness.nowMs)
      await run.flush()
    }
    run.harness.fin(long, 'upstream')
    run.harness.recorder.close(long, 'client_fin', run.harness.nowMs)
    await run.flush()
    await run.close()
    expect(rangesOf(place.records, 'run-1', 1, 'upstream')).toEqual([[0, 2000 * KIB]])
    expect(rangesOf(place.records, 'run-1', 1, 'downstream')).toEqual([[0, 1000 * KIB]])
    expect(place.records.filter(({ kind }) => kind === 'gap')).toEqual([])
    expect(place.records.filter(({ kind }) => kind === 'close')).toHaveLength(21)
    const openings = place.records.filter((each) => each.kind === 'open' && each.connection === 1)
    expect(openings.length).toBeGreaterThan(4)
    expect(filesIn(folder)).toEqual([])
  })
})

describe('memory', () => {
  it('holds one batch, however much waits: so many records, or bytes, and one record more', async () => {
    const folder = tempFolder()
    const killed = await SpoolRun.open(folder, new HungSink(), { undelivered: true })
    const [large, small] = [killed.harness.open(1), killed.harness.open(2)]
    for (let n = 0; n < 6; n++) killed.harness.send(large, 'upstream', MIB)
    await killed.flush()
    for (let n = 0; n < 20_000; n++) killed.harness.send(small, 'downstream', 1)
    await killed.flush()
    killed.release()
    const place = new MemoryPlace()
    const sizes: { readonly records: number; readonly bytes: number }[] = []
    let delivering = 0
    const to = place.connect()
    const sink: Sink = {
      where: to.where,
      open: () => to.open(),
      write: async (batch, signal) => {
        expect(++delivering).toBe(1)
        const bytes = batch.reduce((sum, each) => sum + (each.kind === 'data' ? each.bytes.length : 0), 0)
        sizes.push({ records: batch.length, bytes })
        await to.write(batch, signal)
        delivering--
      },
      close: () => to.close(),
    }
    const run = await SpoolRun.open(folder, sink, { recording: 'run-2' })
    await run.close()
    expect(rangesOf(place.records, 'run-1', 1, 'upstream')).toEqual([[0, 6 * MIB]])
    expect(rangesOf(place.records, 'run-1', 2, 'downstream')).toEqual([[0, 20_000]])
    const [mostRecords, mostBytes] = [
      Math.max(...sizes.map(({ records }) => records)),
      Math.max(...sizes.map(({ bytes }) => bytes)),
    ]
    expect([mostRecords, mostBytes < 4 * MIB + 64 * KIB]).toEqual([10_000, true])
    expect(mostBytes).toBeGreaterThan(3 * MIB)
  })
})

describe('after a kill', () => {
  it('the next start delivers what was left, under the same names, before what is new', async () => {
    const folder = tempFolder()
    const killed = await SpoolRun.open(folder, new HungSink(), { undelivered: true })
    const connection = killed.harness.open(1)
    killed.harness.send(connection, 'upstream', 1000)
    await killed.flush()
    killed.release()
    const place = new MemoryPlace()
    const run = await SpoolRun.open(folder, place.connect(), { recording: 'run-2' })
    run.harness.send(run.harness.open(1), 'upstream', 10)
    await run.flush()
    await run.close()
    expect(place.records.map(({ kind, recording }) => `${recording} ${kind}`)).toEqual([
      'run-1 open',
      'run-1 data',
      'run-2 open',
      'run-2 data',
    ])
    expect(rangesOf(place.records, 'run-1', 1, 'upstream')).toEqual([[0, 1000]])
    expect(filesIn(folder)).toEqual([])
  })

  it('any segments that are left say all that is in them, whatever was delivered before', async () => {
    const folder = tempFolder()
    const killed = await SpoolRun.open(folder, new HungSink(), { undelivered: true, maxBytes: 2 * MIB })
    const connections = [1, 2, 3].map((id) => killed.harness.open(id))
    for (let round = 0; round < 6; round++)
      for (const connection of connections) {
        killed.harness.send(connection, 'upstream', 60 * KIB)
        killed.harness.send(connection, 'downstream', 1 + round)
        await killed.flush()
      }
    killed.release()
    const files = filesIn(folder)
    expect(files.length).toBeGreaterThan(2)
    for (const file of files.slice(0, 1)) rmSync(join(folder, file))
    const place = new MemoryPlace()
    const run = await SpoolRun.open(folder, place.connect(), { recording: 'run-2' })
    await run.close()
    for (const id of [1, 2, 3]) {
      const [[from, to] = [0, 0], ...others] = rangesOf(place.records, 'run-1', id, 'upstream')
      expect(others).toEqual([])
      expect([from > 0, to]).toEqual([true, 360 * KIB])
      expect(rangesOf(place.records, 'run-1', id, 'downstream').at(-1)?.[1]).toBe(21)
    }
    expect(place.records.filter(({ kind }) => kind === 'gap')).toEqual([])
  })

  it('a torn block is cut, and everything before it delivered', async () => {
    const folder = tempFolder()
    const killed = await SpoolRun.open(folder, new HungSink(), { undelivered: true })
    const connection = killed.harness.open(1)
    killed.harness.send(connection, 'upstream', 1000)
    killed.harness.send(connection, 'upstream', 1000)
    await killed.flush()
    killed.release()
    const [file = ''] = filesIn(folder)
    truncateSync(join(folder, file), statSync(join(folder, file)).size - 100)
    const place = new MemoryPlace()
    const run = await SpoolRun.open(folder, place.connect(), { recording: 'run-2' })
    await run.close()
    expect(rangesOf(place.records, 'run-1', 1, 'upstream')).toEqual([[0, 1000]])
    expect(run.messages('warn')).toEqual(['the spool ended in a torn block, which was cut off'])
    expect(filesIn(folder)).toEqual([])
  })

  it('a segment that was begun and not written is nothing', async () => {
    const folder = tempFolder()
    writeFileSync(join(folder, '0000000004.pcapng'), '')
    const run = await SpoolRun.open(folder, new MemoryPlace().connect())
    await run.close()
    expect(filesIn(folder)).toEqual([])
    expect(run.messages('error')).toEqual([])
  })

  it('a segment with damage in its middle is delivered up to there, and kept for a person to look at', async () => {
    const folder = tempFolder()
    const killed = await SpoolRun.open(folder, new HungSink(), { undelivered: true })
    const connection = killed.harness.open(1)
    killed.harness.send(connection, 'upstream', 1000)
    await killed.flush()
    killed.release()
    const [file = ''] = filesIn(folder)
    appendFileSync(
      join(folder, file),
      Uint8Array.from({ length: 64 }, () => 0xff),
    )
    const place = new MemoryPlace()
    const run = await SpoolRun.open(folder, place.connect(), { recording: 'run-2' })
    await run.close()
    expect(rangesOf(place.records, 'run-1', 1, 'upstream')).toEqual([[0, 1000]])
    expect(filesIn(folder)).toEqual([`${file}.damaged`])
    expect(run.messages('error')).toMatchObject([expect.stringContaining('is damaged and was not delivered')])
    const next = await openSpoolDir(folder)
    expect(next).toMatchObject({ left: [], next: 2 })
    next.release()
  })
})

describe('a sink that is away', () => {
  it('gets everything once it is back, in order, and both are said once', async () => {
    const sink = new AwaySink()
    const run = await SpoolRun.open(tempFolder(), sink)
    const connection = run.harness.open(1)
    for (let round = 0; round < 5; round++) {
      run.harness.send(connection, 'upstream', 100)
      await run.flush()
    }
    await until(() => run.deliveryFailures >= 3)
    expect(sink.taken).toEqual([])
    sink.isAway = false
    await until(() => rangesOf(sink.taken, 'run-1', 1, 'upstream')[0]?.[1] === 500)
    expect(kinds(sink.taken)).toEqual(['open', 'data', 'data', 'data', 'data', 'data'])
    await run.close()
    expect(run.messages('warn')).toEqual([
      expect.stringMatching(/^'away:\/\/there' takes no records, they wait in '.*': nobody is there$/),
    ])
    expect(run.messages('info')).toEqual([
      expect.stringMatching(/^'away:\/\/there' takes records again, after \d+ failures$/),
    ])
  })

  it('is opened again after a failed write, and the same batch comes again', async () => {
    const place = new MemoryPlace()
    const run = await SpoolRun.open(tempFolder(), place.connect())
    const connection = run.harness.open(1)
    place.breakNext()
    run.harness.send(connection, 'upstream', 100)
    run.harness.send(connection, 'upstream', 100)
    await run.flush()
    await run.close()
    expect(kinds(place.records)).toEqual(['open', 'open', 'data', 'data'])
    expect(run.deliveryFailures).toBe(1)
  })

  it('is no error at the start, but what the user has to mend is', async () => {
    const sink = new AwaySink()
    sink.fault = 'usage'
    await expect(SpoolRun.open(tempFolder(), sink)).rejects.toThrow('nobody is there')
    expect(sink.closes).toBe(1)
  })

  it('is tried again at the end; what it does not take stays for the next start, and is said', async () => {
    const folder = tempFolder()
    const sink = new AwaySink()
    const run = await SpoolRun.open(folder, sink)
    run.harness.send(run.harness.open(1), 'upstream', 100)
    await run.flush()
    await until(() => run.deliveryFailures >= 1)
    const begun = performance.now()
    await run.close()
    expect(performance.now() - begun).toBeLessThan(2000)
    expect(run.messages('warn').at(-1)).toMatch(
      /^\d+ bytes for 'away:\/\/there' wait in '.*': they are delivered at the next start$/,
    )
    const place = new MemoryPlace()
    const next = await SpoolRun.open(folder, place.connect(), { recording: 'run-2' })
    await next.close()
    expect(rangesOf(place.records, 'run-1', 1, 'upstream')).toEqual([[0, 100]])
  })

  it('and does not answer at all is given up at the end, by its signal', async () => {
    const folder = tempFolder()
    const sink = new HungSink()
    const run = await SpoolRun.open(folder, sink)
    run.harness.send(run.harness.open(1), 'upstream', 100)
    await run.flush()
    await until(() => sink.writes === 1)
    await run.close(50)
    expect(sink.aborted).toBe(true)
    expect(filesIn(folder)).toHaveLength(1)
    expect(run.messages('warn')).toHaveLength(1)
  })
})

describe('a spool that is full', () => {
  it('makes writes wait until the sink has taken some of it', async () => {
    const sink = new AwaySink()
    const run = await SpoolRun.open(tempFolder(), sink, { maxBytes: MIB })
    const connection = run.harness.open(1)
    run.harness.send(connection, 'upstream', 2 * MIB)
    let isFlushed = false
    const flushing = run.flush().then(() => {
      isFlushed = true
    })
    await until(() => run.messages('warn').some((message) => message.includes('is full')))
    await until(() => run.deliveryFailures >= 2)
    expect(isFlushed).toBe(false)
    expect(run.spooledBytes).toBeLessThanOrEqual(MIB)
    sink.isAway = false
    await flushing
    await run.close()
    expect(rangesOf(sink.taken, 'run-1', 1, 'upstream')).toEqual([[0, 2 * MIB]])
  })

  it('counts what an earlier run has left', async () => {
    const folder = tempFolder()
    const killed = await SpoolRun.open(folder, new HungSink(), { undelivered: true, maxBytes: MIB })
    killed.harness.send(killed.harness.open(1), 'upstream', 900 * KIB)
    await killed.flush()
    killed.release()
    const run = await SpoolRun.open(folder, new HungSink(), { recording: 'run-2', maxBytes: MIB })
    run.harness.send(run.harness.open(1), 'upstream', 500 * KIB)
    const flushing = run.flush()
    await until(() => run.messages('warn').some((message) => message.includes('is full')))
    await run.close(10)
    await flushing
    expect(run.harness.recorder.counters()).toMatchObject({ storedBytes: 0, lostBytes: 500 * KIB })
  })
})

describe('a disk that fails', () => {
  it('is a failed write, nothing of which is stored; later writes are', async () => {
    const folder = join(tempFolder(), 'spool')
    const place = new MemoryPlace()
    const run = await SpoolRun.open(folder, place.connect())
    const connection = run.harness.open(1)
    renameSync(folder, `${folder}.away`)
    run.harness.send(connection, 'upstream', 100)
    await run.flush()
    renameSync(`${folder}.away`, folder)
    run.harness.send(connection, 'upstream', 50)
    run.harness.recorder.close(connection, 'client_fin', run.harness.nowMs)
    await run.flush()
    await run.close()
    expect(rangesOf(place.records, 'run-1', 1, 'upstream')).toEqual([[100, 150]])
    expect(place.records.find(({ kind }) => kind === 'gap')).toMatchObject({ at: 0, length: 100 })
    expect(place.records.at(-1)).toMatchObject({ kind: 'close', upstream: { seen: 150, stored: 50 } })
  })

  it.each(['always', 'interval'] as const)('syncs as it is told: %s', async (sync) => {
    const place = new MemoryPlace()
    const run = await SpoolRun.open(tempFolder(), place.connect(), { durability: { sync, intervalMs: 1 } })
    run.harness.send(run.harness.open(1), 'upstream', 100)
    await run.flush()
    await run.close()
    expect(rangesOf(place.records, 'run-1', 1, 'upstream')).toEqual([[0, 100]])
  })
})

/** The same sink, which does something else before it takes a batch. */
const doingFirst = (sink: Sink, first: () => void | Promise<void>): Sink => ({
  where: sink.where,
  open: () => sink.open(),
  write: async (batch, signal) => {
    await first()
    await sink.write(batch, signal)
  },
  close: () => sink.close(),
})

describe('segments that somebody lays hands on', () => {
  it('one that was removed before it was delivered is lost, which is said once, and the next are delivered', async () => {
    const folder = tempFolder()
    const killed = await SpoolRun.open(folder, new HungSink(), { undelivered: true, maxBytes: MIB })
    const connection = killed.harness.open(1)
    for (let round = 0; round < 6; round++) {
      killed.harness.send(connection, 'upstream', 100 * KIB)
      await killed.flush()
    }
    killed.release()
    const [first = '', second = '', ...others] = filesIn(folder)
    expect(others).not.toEqual([])
    const place = new MemoryPlace()
    // While the first is delivered, the second goes.
    const sink = doingFirst(place.connect(), () => rmSync(join(folder, second), { force: true }))
    const run = await SpoolRun.open(folder, sink, { recording: 'run-2', maxBytes: MIB })
    await until(() => run.spooledBytes === 0)
    await run.close()
    expect(run.messages('error')).toEqual([
      expect.stringMatching(/0*2\.pcapng' was removed by somebody: its \d+ bytes are not delivered$/),
    ])
    expect([first !== '', filesIn(folder)]).toEqual([true, []])
    expect(rangesOf(place.records, 'run-1', 1, 'upstream').at(-1)?.[1]).toBe(600 * KIB)
  })

  it('one that was removed while it is written is given up for the next', async () => {
    const folder = tempFolder()
    const killed = await SpoolRun.open(folder, new HungSink(), { undelivered: true })
    killed.harness.send(killed.harness.open(9), 'upstream', 10)
    await killed.flush()
    killed.release()
    const place = new MemoryPlace()
    let goOn: () => void = () => {}
    const waiting = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const sink = doingFirst(place.connect(), () => waiting)
    const run = await SpoolRun.open(folder, sink, { recording: 'run-2' })
    const connection = run.harness.open(1)
    run.harness.send(connection, 'upstream', 100)
    await run.flush()
    rmSync(join(folder, filesIn(folder).at(-1) ?? ''))
    goOn()
    await until(() => run.messages('error').length > 0)
    run.harness.send(connection, 'upstream', 50)
    await run.flush()
    await until(() => run.spooledBytes === 0)
    await run.close()
    expect(rangesOf(place.records, 'run-2', 1, 'upstream')).toEqual([[100, 150]])
    expect(run.messages('error')).toHaveLength(1)
  })

  it('one that cannot be removed is said once, and takes room until it can; what comes after it is delivered', async () => {
    const folder = tempFolder()
    const place = new MemoryPlace()
    let inTheWay = ''
    const sink = doingFirst(place.connect(), () => {
      if (inTheWay !== '') return
      inTheWay = join(folder, filesIn(folder)[0] ?? '')
      rmSync(inTheWay)
      mkdirSync(inTheWay)
    })
    const run = await SpoolRun.open(folder, sink, { maxBytes: MIB })
    const connection = run.harness.open(1)
    run.harness.send(connection, 'upstream', 100 * KIB)
    await run.flush()
    await until(() => run.messages('error').length > 0)
    run.harness.send(connection, 'upstream', 100 * KIB)
    await run.flush()
    await until(() => rangesOf(place.records, 'run-1', 1, 'upstream')[0]?.[1] === 200 * KIB)
    await until(() => run.spooledBytes < 200 * KIB)
    expect(run.spooledBytes).toBeGreaterThan(100 * KIB)
    rmdirSync(inTheWay)
    await until(() => run.spooledBytes === 0)
    await run.close()
    expect(run.messages('error')).toEqual([
      expect.stringMatching(/cannot be removed: until it can, .*: E[A-Z]+$/),
    ])
    expect(rangesOf(place.records, 'run-1', 1, 'upstream')).toEqual([[0, 200 * KIB]])
  })
})

describe("a spool's folder", () => {
  it('is made for its owner alone, as are its files', async () => {
    const folder = join(tempFolder(), 'spool')
    const run = await SpoolRun.open(folder, new HungSink())
    run.harness.send(run.harness.open(1), 'upstream', 100)
    await run.flush()
    const [file = ''] = filesIn(folder)
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    expect(statSync(join(folder, file)).mode & 0o777).toBe(0o600)
    expect(readFileSync(join(folder, file)).subarray(0, 4).toString('hex')).toBe('0a0d0d0a')
    await run.close(10)
  })

  it('belongs to one gateway at a time', async () => {
    const folder = tempFolder()
    const first = await openSpoolDir(folder)
    await expect(openSpoolDir(folder)).rejects.toThrow(
      `the spool '${folder}' cannot be used: another gateway has it; each needs a folder of its own`,
    )
    first.release()
    const second = await openSpoolDir(folder)
    second.release()
  })

  it('is refused where it cannot be', async () => {
    const folder = tempFolder()
    writeFileSync(join(folder, 'file'), '')
    await expect(openSpoolDir(join(folder, 'file'))).rejects.toThrow('it is not a folder')
    await expect(openSpoolDir(join(folder, 'file', 'spool'))).rejects.toThrow('is not a folder')
    await expect(openSpoolDir(join(folder, 'none', 'spool'))).rejects.toThrow(
      `the folder '${join(folder, 'none')}' does not exist`,
    )
    symlinkSync('none', join(folder, 'link'))
    await expect(openSpoolDir(join(folder, 'link'))).rejects.toThrow(
      `the spool '${join(folder, 'link')}' cannot be used: it is a symbolic link to 'none', which does not exist`,
    )
  })

  it('may have other files, which stay', async () => {
    const folder = tempFolder()
    writeFileSync(join(folder, 'README'), 'hands off')
    mkdirSync(join(folder, '0000000009.pcapng'))
    const run = await SpoolRun.open(folder, new MemoryPlace().connect())
    run.harness.send(run.harness.open(1), 'upstream', 100)
    await run.flush()
    await run.close()
    expect(filesIn(folder)).toEqual(['0000000009.pcapng', 'README'])
  })
})
