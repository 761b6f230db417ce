import { mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseAddress } from '../../../src/core/address.js'
import { MAX_OPEN_FILES } from '../../../src/core/budget/plan.js'
import type { ConnectionTrack } from '../../../src/core/record/track.js'
import { openSeriesPlace } from '../../../src/sinks/files/base-folder.js'
import { streamNumber } from '../../core/record/harness.js'
import { concat, pattern } from '../../core/record/parse.js'
import { blockScope, eventually, testScope } from '../../support/scope.js'
import { DiskSeries, namesIn, packetsIn } from './series.js'

const client = (n: number) => parseAddress(`10.0.${n >> 8}.${n & 255}:5000`)

/** What the client of this number has sent, in files of these names one after the other. */
const payloads = (folder: string, names: readonly string[], n?: number): Uint8Array => {
  const from = n === undefined ? '' : `0a00${n.toString(16).padStart(4, '0')}:`
  return concat(
    names
      .flatMap((name) => packetsIn(join(folder, name)))
      .filter(({ source }) => source.startsWith(from))
      .map(({ payload }) => payload),
  )
}

const lostOf = ({ upstream: { ledger } }: ConnectionTrack): number => ledger.lostBytes

describe('the store for many files', () => {
  const scope = blockScope()

  it('makes files and folders for their owner only, whatever the umask', async () => {
    const series = await DiskSeries.open(testScope(), '{listener}/{client}.pcapng')
    const before = process.umask(0)
    try {
      series.open(1, client(1))
      expect(series.flush()).toBe(null)
    } finally {
      process.umask(before)
    }
    expect(series.names()).toEqual(['one/10.0.0.1.pcapng'])
    expect(statSync(join(series.base, 'one')).mode & 0o777).toBe(0o700)
    expect(statSync(join(series.base, 'one/10.0.0.1.pcapng')).mode & 0o777).toBe(0o600)
    expect([series.figure('files'), series.figure('fileBytes')]).toEqual([
      1,
      statSync(join(series.base, 'one/10.0.0.1.pcapng')).size,
    ])
  })

  it('takes the next number where a name is taken, also by what was compressed, and never an existing file', async () => {
    const folder = scope.tempDir()
    const ends = testScope()
    for (const name of ['rec.pcapng.gz', 'rec-2.pcapng', 'rec-x.pcapng', 'rec-7.pcapng.zst'])
      writeFileSync(join(folder, name), 'mine')
    const series = await DiskSeries.open(ends, 'rec.pcapng', { rotateBytes: 65_536 }, folder)
    const connection = series.open(1)
    for (let n = 0; n < 4; n++) series.send(connection, 'upstream', 30_000)
    expect(series.flush()).toBe(null)
    await series.store.close(1000)
    const made = series.names().filter((name) => statSync(join(folder, name)).size > 4)
    expect(made).toEqual(['rec-8.pcapng', 'rec-9.pcapng'])
    expect(payloads(folder, made)).toEqual(pattern(streamNumber(1, 'upstream'), 0, 120_000))
    for (const name of ['rec.pcapng.gz', 'rec-2.pcapng', 'rec-x.pcapng', 'rec-7.pcapng.zst'])
      expect(readFileSync(join(folder, name), 'utf8')).toBe('mine')
  })

  it('follows no link out of its folder, and writes through none', async () => {
    const [folder, outside] = [scope.tempDir(), scope.tempDir()]
    symlinkSync(outside, join(folder, '10.0.0.1'))
    mkdirSync(join(folder, '10.0.0.2'))
    symlinkSync(join(outside, 'target.pcapng'), join(folder, '10.0.0.2', 'rec.pcapng'))
    const series = await DiskSeries.open(testScope(), '{client}/rec.pcapng', {}, folder)
    series.open(1, client(1))
    expect(series.flush()).toBe("'10.0.0.1/': a link leads out of its folder")
    series.open(2, client(2))
    expect(series.flush()).toBe(null)
    expect(packetsIn(join(folder, '10.0.0.2/rec-1.pcapng'))).toHaveLength(3)
    expect(namesIn(outside)).toEqual([])
  })

  it('refuses what goes to a folder that cannot be had, stores the rest, and tries it again a moment later', async () => {
    const folder = scope.tempDir()
    const series = await DiskSeries.open(testScope(), '{client}/rec.pcapng', { rotateBytes: 65_536 }, folder)
    const first = series.open(1, client(1))
    series.send(first, 'upstream', 10)
    expect(series.flush()).toBe(null)
    // Where the second client's folder should be.
    writeFileSync(join(folder, '10.0.0.2'), '')
    for (let n = 0; n < 4; n++) series.send(first, 'upstream', 40_000)
    const second = series.open(2, client(2))
    series.send(second, 'upstream', 20)
    series.send(first, 'upstream', 5)
    expect(series.flush()).toMatch(/^'10\.0\.0\.2\/': (ENOTDIR|EEXIST)$/)
    expect([lostOf(first), lostOf(second)]).toEqual([0, 20])
    const names = series.names().filter((name) => name !== '10.0.0.2')
    expect(payloads(folder, names, 1)).toEqual(pattern(streamNumber(1, 'upstream'), 0, 160_015))
    const sizes = names.map((name) => statSync(join(folder, name)).size)
    expect([series.figure('files'), series.figure('fileBytes')]).toEqual([
      names.length,
      sizes.reduce((sum, size) => sum + size),
    ])

    rmSync(join(folder, '10.0.0.2'))
    let sent = 0
    await eventually('it to be tried again', () => {
      series.send(second, 'upstream', 6)
      sent += 6
      return series.flush() === null
    })
    expect(payloads(folder, series.names(), 2)).toEqual(
      pattern(streamNumber(2, 'upstream'), 20 + sent - 6, 6),
    )
  })

  it('writes what others say, and their ends, whatever waits for a folder that cannot be had', async () => {
    const folder = scope.tempDir()
    writeFileSync(join(folder, '10.0.0.1'), '')
    const series = await DiskSeries.open(testScope(), '{client}/rec.pcapng', {}, folder)
    const bad = series.open(1, client(1))
    series.send(bad, 'upstream', 10)
    expect(series.flush()).not.toBe(null)
    series.recorder.close(bad, 'client_fin', series.nowMs)
    expect(series.flush()).not.toBe(null)
    const failures = Array.from({ length: 10 }, (_, n) => {
      const good = series.open(2 + n, client(2))
      series.send(good, 'upstream', 5)
      const before = series.flush()
      series.recorder.close(good, 'client_fin', series.nowMs)
      return [before, series.flush(), good.ending, lostOf(good)]
    })
    expect(failures).toEqual(failures.map(() => [null, null, null, 0]))
    expect(series.recorder.waitingCloses).toBe(1)
    // Asked for, it is tried with what else there is, and harms none of it.
    series.recorder.retryCloses()
    const good = series.open(20, client(2))
    series.send(good, 'upstream', 5)
    expect(series.flush()).toMatch(/^'10\.0\.0\.1\/'/)
    expect([series.recorder.waitingCloses, lostOf(good)]).toEqual([1, 0])
  })

  it('takes more of them than it may look at in one write for the trouble of all, for that write', async () => {
    const folder = scope.tempDir()
    const series = await DiskSeries.open(testScope(), '{client}/rec.pcapng', {}, folder)
    const bad = Array.from({ length: 70 }, (_, n) => 2 + n)
    for (const n of bad) writeFileSync(join(folder, `10.0.0.${n}`), '')
    const good = series.open(1, client(1))
    series.send(good, 'upstream', 5)
    for (const n of bad) series.send(series.open(n, client(n)), 'upstream', 10)
    expect(series.flush()).toMatch(/^'10\.0\.0\.\d+\/'/)
    expect(lostOf(good)).toBe(5)
    series.send(good, 'upstream', 7)
    expect(series.flush()).toBe(null)
    expect(lostOf(good)).toBe(5)
    expect(series.names()).toContain('10.0.0.1/rec.pcapng')
  })

  it('keeps one file per client, however few descriptors it has', async () => {
    const clients = MAX_OPEN_FILES * 2
    const series = await DiskSeries.open(testScope(), '{client}.pcapng')
    const connections = Array.from({ length: clients }, (_, n) => series.open(n, client(n)))
    for (let round = 0; round < 3; round++) {
      for (const connection of connections) series.send(connection, 'upstream', 10)
      expect(series.flush()).toBe(null)
    }
    expect(series.names()).toHaveLength(clients)
    for (const n of [0, 1, clients - 1])
      expect(payloads(series.base, [`10.0.0.${n}.pcapng`])).toEqual(
        pattern(streamNumber(n, 'upstream'), 0, 30),
      )
  })

  it('begins another file for one that was removed or replaced while it was not open', async () => {
    const series = await DiskSeries.open(testScope(), '{client}.pcapng')
    const connections = Array.from({ length: MAX_OPEN_FILES + 3 }, (_, n) => series.open(n, client(n)))
    expect(series.flush()).toBe(null)
    rmSync(join(series.base, '10.0.0.0.pcapng'))
    renameSync(join(series.base, '10.0.0.1.pcapng'), join(series.base, 'moved'))
    writeFileSync(join(series.base, '10.0.0.1.pcapng'), 'not ours')
    for (const connection of connections) series.send(connection, 'upstream', 10)
    expect(series.flush()).toBe(null)
    expect(packetsIn(join(series.base, '10.0.0.0-1.pcapng'))[0]!.comments[0]).toContain('"continues"')
    expect(packetsIn(join(series.base, '10.0.0.1-1.pcapng'))).toHaveLength(2)
    expect(readFileSync(join(series.base, '10.0.0.1.pcapng'), 'utf8')).toBe('not ours')
  })

  it('ends files when their time is over, also without traffic', async () => {
    const series = await DiskSeries.open(testScope(), '%H%M%S.pcapng', { rotateMs: 1000 })
    series.open(1)
    expect(series.flush()).toBe(null)
    const [name = ''] = series.names()
    const last = () => packetsIn(join(series.base, name)).at(-1)!.comments
    await eventually('the file to be ended', () => last().some((comment) => comment.includes('continue')))
  })

  it.each(['interval', 'always'] as const)('writes the same with sync: %s', async (sync) => {
    const series = await DiskSeries.open(testScope(), '{client}.pcapng', {
      durability: { sync, intervalMs: 1 },
    })
    const connections = [1, 2].map((n) => series.open(n, client(n)))
    for (let n = 0; n < 5; n++) {
      for (const connection of connections) series.send(connection, 'upstream', 1000)
      expect(series.flush()).toBe(null)
    }
    await series.store.close(1000)
    expect(payloads(series.base, series.names(), 1)).toEqual(pattern(streamNumber(1, 'upstream'), 0, 5000))
    expect(series.lines).toEqual([])
  })

  it('writes nothing below the floor of free space, and says what is missing', async () => {
    const floor = { bytes: Number.MAX_SAFE_INTEGER, text: '8388607GiB' }
    const series = await DiskSeries.open(testScope(), '{client}.pcapng', { floor })
    series.open(1)
    const { contents } = series.recorder.take(true)!
    // What earlier runs may have left to remove is looked for first.
    await expect((async () => series.store.write(contents))()).rejects.toThrow('less than 8388607GiB free')
    expect(series.names()).toEqual([])
  })
})

describe('the folder of a series', () => {
  it('is made, is not shared by two recorders of the same series, and is by two of different ones', async () => {
    const folder = join(testScope().tempDir(), 'a/b')
    const place = await openSeriesPlace(folder, '%Y.pcapng')
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    await expect(openSeriesPlace(folder, '%Y.pcapng')).rejects.toMatchObject({
      code: 'file_unwritable',
      message: expect.stringContaining('is being recorded to already'),
    })
    await (await openSeriesPlace(folder, '%m.pcapng')).close()
    await place.close()
    await (await openSeriesPlace(folder, '%Y.pcapng')).close()
  })

  it('may not be a file, or below one', async () => {
    const folder = testScope().tempDir()
    writeFileSync(join(folder, 'file'), '')
    for (const path of ['file', 'file/sub'])
      await expect(openSeriesPlace(join(folder, path), 'x')).rejects.toMatchObject({
        code: 'file_unwritable',
        message: expect.stringMatching(/cannot be written: .*not a folder/),
      })
  })
})
