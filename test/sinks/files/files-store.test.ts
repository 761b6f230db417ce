import { mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseAddress } from '../../../src/core/address.js'
import { MAX_OPEN_FILES } from '../../../src/core/budget/plan.js'
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
    expect(series.flush()).toBe('a link leads out of its folder')
    series.open(2, client(2))
    expect(series.flush()).toBe(null)
    expect(packetsIn(join(folder, '10.0.0.2/rec-1.pcapng'))).toHaveLength(3)
    expect(namesIn(outside)).toEqual([])
  })

  it('keeps all or nothing: what one file got is cut off if another could not be written', async () => {
    const folder = scope.tempDir()
    const series = await DiskSeries.open(testScope(), '{client}/rec.pcapng', { rotateBytes: 65_536 }, folder)
    const first = series.open(1, client(1))
    series.send(first, 'upstream', 10)
    expect(series.flush()).toBe(null)
    const before = readFileSync(join(folder, '10.0.0.1/rec.pcapng'))
    // Where the second client's folder should be.
    writeFileSync(join(folder, '10.0.0.2'), '')
    for (let n = 0; n < 4; n++) series.send(first, 'upstream', 40_000)
    const second = series.open(2, client(2))
    series.send(second, 'upstream', 20)
    expect(series.flush()).toMatch(/ENOTDIR|EEXIST/)
    expect(namesIn(folder)).toEqual(['10.0.0.1/rec.pcapng', '10.0.0.2'])
    expect(readFileSync(join(folder, '10.0.0.1/rec.pcapng'))).toEqual(before)
    expect([series.figure('files'), series.figure('fileBytes')]).toEqual([1, before.length])

    rmSync(join(folder, '10.0.0.2'))
    series.send(first, 'upstream', 5)
    series.send(second, 'upstream', 6)
    expect(series.flush()).toBe(null)
    expect(payloads(folder, series.names(), 2)).toEqual(pattern(streamNumber(2, 'upstream'), 20, 6))
    const all = pattern(streamNumber(1, 'upstream'), 0, 160_015)
    expect(payloads(folder, series.names(), 1)).toEqual(concat([all.subarray(0, 10), all.subarray(160_010)]))
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
