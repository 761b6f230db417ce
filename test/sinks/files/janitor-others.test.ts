/** What the janitor finds and has to leave to others, and what does not keep it from the rest. */

import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as zlib from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { encodeSectionStart } from '../../../src/core/codec/pcapng/writer.js'
import { eventually, testScope } from '../../support/scope.js'
import { DiskSeries, namesIn } from './series.js'

const ROTATE = 65_536
const KEEP_ONE = { keepBytes: null, keepMs: null, keepFiles: 1 }

/** About three files of one connection for 200 kB. */
const fill = (series: DiskSeries, bytes = 200_000): void => {
  const connection = series.open(1)
  for (let n = 0; n < bytes / 20_000; n++) series.send(connection, 'upstream', 20_000)
  expect(series.flush()).toBe(null)
}

const leave = async (name: string, folder: string, bytes?: number): Promise<void> => {
  const series = await DiskSeries.open(testScope(), name, { rotateBytes: ROTATE }, folder, 'an earlier run')
  fill(series, bytes)
  await series.close()
}

/** A start and an end with nothing in between. */
const tidy = async (name: string, folder: string, options = {}) => {
  const series = await DiskSeries.open(testScope(), name, options, folder, 'this run')
  await series.close()
  return series
}

/** As root, permissions do not count: then as somebody else. */
const asNobody = async (folder: string, work: () => Promise<void>): Promise<void> => {
  if (process.getuid?.() !== 0) return work()
  chownSync(folder, 65_534, 65_534)
  process.seteuid?.(65_534)
  try {
    await work()
  } finally {
    process.seteuid?.(0)
  }
}

describe('files in a folder of recordings', () => {
  it('are left as they are if no gateway wrote them, whatever they are called', async () => {
    const folder = testScope().tempDir()
    const foreign = encodeSectionStart('dumpcap', [{ linkType: 1, name: 'eth0', description: '' }])
    // Another program is in the middle of a block.
    const files = {
      'rec-1.pcapng': foreign.subarray(0, foreign.length - 8),
      'rec-2.pcapng': Buffer.alloc(0),
      'rec-3.pcapng': Buffer.from('\n'),
      'rec-4.pcapng.gz': zlib.gzipSync(foreign),
      'rec-5.pcapng.zst': Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3]),
      'rec-6.pcapng.gz.part': Buffer.from('beside nothing'),
      'rec-1.pcapng.gz.part': Buffer.from('beside a file of another program'),
    }
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes)
    const limits = { keepBytes: 0, keepMs: 1, keepFiles: 0 }
    const series = await tidy('rec.pcapng', folder, { compress: 'gzip', limits })
    expect(namesIn(folder)).toHaveLength(Object.keys(files).length)
    for (const [name, bytes] of Object.entries(files))
      expect(readFileSync(join(folder, name)).equals(bytes), name).toBe(true)
    expect(series.lines).toEqual([])
  })

  it('are known as recordings also when they are compressed', async () => {
    const folder = testScope().tempDir()
    await leave('rec.pcapng', folder)
    const bytes = readFileSync(join(folder, 'rec.pcapng'))
    writeFileSync(join(folder, 'rec-8.pcapng.gz'), zlib.gzipSync(bytes))
    const { zstdCompressSync } = zlib as { readonly zstdCompressSync?: (bytes: Buffer) => Buffer }
    if (zstdCompressSync !== undefined)
      writeFileSync(join(folder, 'rec-9.pcapng.zst'), zstdCompressSync(bytes))
    await tidy('rec.pcapng', folder, { limits: { ...KEEP_ONE, keepFiles: 0 } })
    expect(namesIn(folder)).toEqual([])
  })

  it('are left to the run that goes on, also where names overlap', async () => {
    const folder = testScope().tempDir()
    await leave('{listener}.pcapng', folder, 20_000)
    writeFileSync(join(folder, 'one.pcapng.gz.part'), '')
    const other = await DiskSeries.open(testScope(), '{client}.pcapng', {}, folder, 'another run')
    await eventually('it to have looked at what there was', () => namesIn(folder).length === 1)
    fill(other)
    const name = '127.0.0.1.pcapng'
    const path = join(folder, name)
    truncateSync(path, statSync(path).size - 10)
    const before = readFileSync(path)
    writeFileSync(`${path}.gz.part`, 'the other is compressing')
    const options = { compress: 'gzip', limits: { ...KEEP_ONE, keepFiles: 0 } } as const
    const series = await tidy('{listener}.pcapng', folder, options)
    expect(namesIn(folder)).toEqual([name, `${name}.gz.part`])
    expect(readFileSync(path).equals(before)).toBe(true)
    expect(series.lines).toEqual([])
    await other.close()
    await tidy('{listener}.pcapng', folder, options)
    expect(namesIn(folder)).toEqual([])
  })

  it('are told of and kept as they are when they are damaged, until they are too many', async () => {
    const folder = testScope().tempDir()
    await leave('rec.pcapng', folder)
    const path = join(folder, 'rec-1.pcapng')
    const bytes = readFileSync(path)
    bytes.fill(0xff, 40_000, 60_000)
    writeFileSync(path, bytes)
    const series = await tidy('rec.pcapng', folder, { compress: 'gzip' })
    expect(series.lines).toEqual([
      {
        level: 'warn',
        message: 'a file of the recording is damaged, and stays as it is',
        fields: { file: path, offset: expect.any(Number), why: expect.any(String) },
      },
    ])
    expect(namesIn(folder)).toContain('rec-1.pcapng')
    expect(readFileSync(path).equals(bytes)).toBe(true)
    await tidy('rec.pcapng', folder, { limits: { ...KEEP_ONE, keepFiles: 0 } })
    expect(namesIn(folder)).toEqual([])
  })

  it.skipIf(process.platform === 'win32')(
    'are looked after although one of them cannot be removed',
    async () => {
      const folder = testScope().tempDir()
      await leave('{listener}/rec.pcapng', folder)
      mkdirSync(join(folder, 'locked'))
      const original = readFileSync(join(folder, 'one/rec.pcapng'))
      writeFileSync(join(folder, 'locked/rec.pcapng'), original)
      writeFileSync(join(folder, 'locked/rec.pcapng.gz.part'), '')
      chmodSync(join(folder, 'locked/rec.pcapng'), 0o644)
      chmodSync(join(folder, 'locked'), 0o555)
      for (const name of ['one', ...namesIn(folder).filter((path) => path.startsWith('one'))])
        if (process.getuid?.() === 0) chownSync(join(folder, name), 65_534, 65_534)
      await asNobody(folder, async () => {
        const series = await tidy('{listener}/rec.pcapng', folder, { compress: 'gzip' })
        expect(series.lines[0]?.fields).toEqual({
          file: join(folder, 'locked/rec.pcapng.gz.part'),
          why: 'EACCES',
        })
      })
      chmodSync(join(folder, 'locked'), 0o755)
      expect(namesIn(folder).filter((name) => name.startsWith('one'))).toEqual(
        ['', '-1', '-2', '-3'].map((n) => `one/rec${n}.pcapng.gz`),
      )
    },
  )
})
