/** When each store forces what it has written to the disk, seen at the calls themselves, which are made all the same. */

import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { openFileSink } from '../../../src/sinks/file/file-sink.js'
import { FileWriter } from '../../../src/sinks/file/file-writer.js'
import { NO_FLOOR } from '../../../src/sinks/file/free-space.js'
import type { Harness } from '../../core/record/harness.js'
import { MemoryPlace } from '../../support/memory-sink.js'
import { eventually, testScope } from '../../support/scope.js'
import { DiskSeries } from '../files/series.js'
import { SpoolRun } from '../spool/rig.js'

type Call = 'write' | 'sync' | 'sync beside'

const seen = vi.hoisted(() => ({ calls: [] as string[], synced: 0, dirty: new Set<unknown>() }))
const calls = seen.calls as Call[]

vi.mock('node:fs', async (importOriginal) => {
  const fs = await importOriginal<typeof import('node:fs')>()
  const noted =
    <T extends readonly unknown[], R>(call: string, real: (...args: T) => R) =>
    (...args: T): R => {
      const result = real(...args)
      seen.calls.push(call)
      if (call === 'write') seen.dirty.add(args[0])
      else seen.dirty.delete(args[0])
      return result
    }
  const fdatasync = (descriptor: number, done: (error: Error | null) => void): void => {
    seen.calls.push('sync beside')
    fs.fdatasync(descriptor, (error) => {
      seen.synced++
      done(error)
    })
  }
  const watched = {
    fdatasync,
    fdatasyncSync: noted('sync', fs.fdatasyncSync),
    writeSync: noted('write', fs.writeSync as (...args: readonly unknown[]) => number),
    writevSync: noted('write', fs.writevSync as (...args: readonly unknown[]) => number),
  }
  return { ...fs, ...watched, default: { ...fs, ...watched } }
})

const INTERVAL_MS = 250

interface Writing {
  /** Hands the store one write; when it is back, the recorder has it acknowledged. */
  write(): void | Promise<void>
  close(): Promise<void>
}

type Sync = 'never' | 'interval' | 'always'

const toFile = async (sync: Sync): Promise<Writing> => {
  const file = await openFileSink(join(testScope().tempDir(), 'x.pcapng'))
  const durability = { sync, intervalMs: INTERVAL_MS }
  const writer = new FileWriter(file.target, null, { durability, floor: NO_FLOOR })
  onTestFinished(() => file.close())
  return { write: () => writer.write(new Uint8Array(1000)), close: () => writer.close() }
}

/** What a recorder hands over for some bytes of one connection. */
const slabs = (harness: Harness): (() => Uint8Array) => {
  const connection = harness.open(1)
  return () => {
    harness.send(connection, 'upstream', 1000)
    const { contents } = harness.recorder.take(true)!
    const copy = contents.slice()
    harness.recorder.settle(null, harness.nowMs)
    return copy
  }
}

const toFiles = async (sync: Sync): Promise<Writing> => {
  const durability = { sync, intervalMs: INTERVAL_MS }
  const series = await DiskSeries.open(testScope(), 'x.pcapng', { durability, rotateBytes: 4000 })
  const slab = slabs(series)
  return {
    write: async () => void (await series.store.write(slab())),
    close: async () => series.store.close(60_000),
  }
}

const toSpool = async (sync: Sync): Promise<Writing> => {
  const durability = { sync, intervalMs: INTERVAL_MS }
  const run = await SpoolRun.open(testScope().tempDir(), new MemoryPlace().connect(), {
    durability,
    undelivered: true,
  })
  const slab = slabs(run.harness)
  return { write: () => run.store.write(slab()), close: () => run.store.close() }
}

const WRITES = 6

beforeEach(() => {
  calls.length = 0
  seen.synced = 0
  seen.dirty.clear()
})

describe.each([
  ['one file', toFile],
  ['many files', toFiles],
  ['a spool', toSpool],
])('%s', { retry: 0 }, (_, open) => {
  afterEach(() => void vi.useRealTimers())

  it('is forced to the disk before each write is done, with always', async () => {
    const { write, close } = await open('always')
    for (let n = 0; n < WRITES; n++) {
      calls.length = 0
      await write()
      expect(calls).toContain('write')
      // Each of the files that it went to.
      expect(seen.dirty).toEqual(new Set())
    }
    await close()
  })

  it('is forced to the disk when the interval is over, with interval, and only when something was written', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { write, close } = await open('interval')
    const syncs = (): number => calls.filter((call) => call !== 'write').length
    for (let round = 1; round <= 3; round++) {
      await write()
      const before = syncs()
      vi.advanceTimersByTime(INTERVAL_MS - 1)
      expect(syncs()).toBe(before)
      vi.advanceTimersByTime(1)
      expect(syncs()).toBe(before + 1)
      await turnsUntil(() => seen.synced === syncs() && vi.getTimerCount() > 0)
      // Nothing is new.
      vi.advanceTimersByTime(INTERVAL_MS)
      await turnsUntil(() => vi.getTimerCount() > 0)
      expect(syncs()).toBe(before + 1)
    }
    expect(calls).not.toContain('sync')
    await write()
    const before = syncs()
    await close()
    expect(syncs()).toBe(before + 1)
    vi.useRealTimers()
    await eventually('the last one to be done', () => seen.synced === syncs())
  })

  it('is left to the system, with never', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { write, close } = await open('never')
    for (let n = 0; n < WRITES; n++) {
      await write()
      vi.advanceTimersByTime(10 * INTERVAL_MS)
    }
    vi.useRealTimers()
    await close()
    expect(new Set(calls)).toEqual(new Set(['write']))
  })
})

/** Timers stand still; what the disk and promises do goes on. */
const turnsUntil = async (isSo: () => boolean): Promise<void> => {
  for (let turns = 0; !isSo(); turns++) {
    if (turns > 1e6) throw new Error('the disk is not done')
    await new Promise((resolve) => setImmediate(resolve))
  }
}
