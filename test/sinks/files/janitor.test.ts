import { readFileSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { openRecording } from '../../../src/recording.js'
import { streamNumber } from '../../core/record/harness.js'
import { concat, pattern } from '../../core/record/parse.js'
import { blockScope, eventually, testScope } from '../../support/scope.js'
import { itWithZstd } from '../../support/zstd.js'
import { DiskSeries, namesIn, packetsIn } from './series.js'

const ROTATE = 65_536
const BYTES = 200_000

/** Fills a series with some files of one connection. */
const fill = (series: DiskSeries, id = 1): void => {
  const connection = series.open(id)
  for (let n = 0; n < BYTES / 20_000; n++) series.send(connection, 'upstream', 20_000)
  expect(series.flush()).toBe(null)
}

const payloadIn = (folder: string, names: readonly string[]): Uint8Array =>
  concat(names.flatMap((name) => packetsIn(join(folder, name)).map(({ payload }) => payload)))

describe('complete files', () => {
  const scope = blockScope()

  const compresses = async (how: 'gzip' | 'zstd', ending: string): Promise<void> => {
    const series = await DiskSeries.open(testScope(), 'rec.pcapng', { rotateBytes: ROTATE, compress: how })
    fill(series)
    await eventually('the first to be compressed', () => series.names().includes(`rec.pcapng${ending}`))
    await series.close()
    expect(series.names()).toEqual(['', '-1', '-2', '-3'].map((n) => `rec${n}.pcapng${ending}`))
    expect(payloadIn(series.base, series.names())).toEqual(pattern(streamNumber(1, 'upstream'), 0, BYTES))
    expect(statSync(join(series.base, `rec.pcapng${ending}`)).mode & 0o777).toBe(0o600)
    expect(series.lines).toEqual([])
    const recording = await openRecording(series.base)
    let bytes = 0
    for await (const event of recording.events()) if (event.kind === 'data') bytes += event.bytes.length
    expect({ bytes, damages: recording.damages }).toEqual({ bytes: BYTES, damages: [] })
  }

  it('are compressed, the last when the store is closed, and have every byte', () =>
    compresses('gzip', '.gz'))

  itWithZstd('are compressed with zstd as well', () => compresses('zstd', '.zst'))

  it('are removed where there are too many, the oldest first, never the current one', async () => {
    const limits = { keepBytes: null, keepMs: null, keepFiles: 2 }
    const series = await DiskSeries.open(testScope(), 'd{listener}/rec.pcapng', {
      rotateBytes: ROTATE,
      limits,
    })
    fill(series)
    // A file is counted once it is gone.
    await eventually('two to be removed', () => series.figure('removedFiles') === 2)
    expect(series.names()).toEqual(['done/rec-2.pcapng', 'done/rec-3.pcapng'])
    expect(series.figure('files')).toBe(4)
  })

  it('of earlier runs: unfinished compressions go, torn ends are cut, the rest is compressed', async () => {
    const folder = scope.tempDir()
    const first = await DiskSeries.open(testScope(), 'rec.pcapng', { rotateBytes: ROTATE }, folder)
    fill(first)
    await first.close()
    // As a kill leaves them: no end, half a block, half a compression, and nothing at all.
    truncateSync(join(folder, 'rec-3.pcapng'), statSync(join(folder, 'rec-3.pcapng')).size - 10)
    writeFileSync(join(folder, 'rec-1.pcapng.gz.part'), 'half')
    writeFileSync(join(folder, 'rec-90.pcapng.gz.part'), 'half of what is not there')
    writeFileSync(join(folder, 'rec-4.pcapng'), '')
    writeFileSync(join(folder, 'other.pcapng'), 'not of the series')
    writeFileSync(join(folder, 'rec-5.pcapng'), 'of its name, but no recording')

    const second = await DiskSeries.open(
      testScope(),
      'rec.pcapng',
      { rotateBytes: ROTATE, compress: 'gzip' },
      folder,
    )
    fill(second, 2)
    await second.close()
    expect(namesIn(folder)).toEqual([
      'other.pcapng',
      'rec.pcapng.gz',
      'rec-1.pcapng.gz',
      'rec-2.pcapng.gz',
      'rec-3.pcapng.gz',
      'rec-4.pcapng',
      'rec-5.pcapng',
      ...['6', '7', '8', '9'].map((n) => `rec-${n}.pcapng.gz`),
      'rec-90.pcapng.gz.part',
    ])
    expect(second.lines).toEqual([
      {
        level: 'warn',
        message: 'the recording ended in a torn block, which was cut off',
        fields: { file: join(folder, 'rec-3.pcapng'), cutBytes: expect.any(Number) },
      },
    ])
    const old = ['rec.pcapng.gz', 'rec-1.pcapng.gz', 'rec-2.pcapng.gz', 'rec-3.pcapng.gz']
    const kept = payloadIn(folder, old)
    expect(kept.length).toBeGreaterThanOrEqual(BYTES - 20_000)
    expect(kept).toEqual(pattern(streamNumber(1, 'upstream'), 0, kept.length))
  })

  it('of earlier runs are removed by their age, if they are recordings', async () => {
    const folder = scope.tempDir()
    const first = await DiskSeries.open(testScope(), '{listener}/rec.pcapng', { rotateBytes: ROTATE }, folder)
    fill(first)
    await first.close()
    const one = join(folder, 'one')
    writeFileSync(join(one, 'rec-70.pcapng.gz'), gzipSync(readFileSync(join(one, 'rec.pcapng'))))
    writeFileSync(join(one, 'rec-71.pcapng.gz'), gzipSync('something else'))
    writeFileSync(join(one, 'rec-72.pcapng'), 'something else')
    const old = new Date(Date.now() - 10 * 86_400_000)
    for (const name of ['', '-1', '-2'].map((n) => `rec${n}.pcapng`)) utimesSync(join(one, name), old, old)
    for (const name of ['rec-70.pcapng.gz', 'rec-71.pcapng.gz', 'rec-72.pcapng'])
      utimesSync(join(one, name), old, old)
    const limits = { keepBytes: null, keepMs: 86_400_000, keepFiles: null }
    const second = await DiskSeries.open(
      testScope(),
      '{listener}/rec.pcapng',
      { rotateBytes: ROTATE, limits },
      folder,
    )
    await eventually('the old ones to go', () => second.figure('removedFiles') === 4)
    await second.close()
    expect(namesIn(folder)).toEqual(['one/rec-3.pcapng', 'one/rec-71.pcapng.gz', 'one/rec-72.pcapng'])
  })
})
