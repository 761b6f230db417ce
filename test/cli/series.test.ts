import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { exportCommand } from '../../src/cli/commands/export.js'
import { inspectCommand } from '../../src/cli/commands/inspect.js'
import { verifyCommand } from '../../src/cli/commands/verify.js'
import { SERIES_FILES } from '../core/reassembly/series.js'
import { jsonLines, ONE_LINE, runCommand, tempDir } from './recordings.js'

const NAMES = ['1.pcapng', '2.pcapng', '3.pcapng'] as const

/** The series of three files, of which `change` makes others. */
const series = (change: (bytes: Uint8Array, index: number) => Uint8Array = (bytes) => bytes) => {
  const directory = tempDir()
  const paths = NAMES.map((name) => join(directory, name))
  for (const [index, path] of paths.entries()) writeFileSync(path, change(SERIES_FILES[index]!, index))
  return { directory, paths }
}

const torn = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, bytes.length - 3)

describe('inspect', () => {
  it('lists a directory as one recording', async () => {
    const ran = await runCommand(inspectCommand, [series().directory, '--json'])
    expect(jsonLines(ran)).toMatchObject([
      {
        connection: 1,
        bytes: { upstream: 12, downstream: 6 },
        reason: 'client_fin',
        fromStart: true,
        id: 7,
        recording: '0198c0de-0000-7000-8000-000000000001',
      },
    ])
    expect(ran.stderr).toBe('tidegate: pcapng: 1 connection, 12 B upstream, 6 B downstream, 3 files\n')
  })

  it('shows one conversation over all files, and what one file alone has of it', async () => {
    const { directory, paths } = series()
    const raw = ['-c', '1', '--as', 'raw', '--direction', 'upstream']
    expect(await runCommand(inspectCommand, [directory, ...raw])).toMatchObject({
      stdout: 'one two six.',
      code: 0,
    })
    const alone = await runCommand(inspectCommand, [paths[1]!])
    expect(alone.stdout).toMatch(/ {2}4 B {2,}2 B {2,}continued {2,}-\n/)
    const text = await runCommand(inspectCommand, [paths[1]!, '-c', '1'])
    expect(text.stdout).toContain('(it begins in an earlier file, with 4 bytes upstream and 2 downstream)')
    expect(text.stdout).toMatch(/= file ends {3}\S+ {2}goes on in the next\n$/)
  })
})

describe('verify', () => {
  it('is content with a series, with each of its files, and with some in a row', async () => {
    const { directory, paths } = series()
    expect(await runCommand(verifyCommand, [directory])).toMatchObject({
      stdout: 'ok: 1 connection, 18 B, no holes, 3 files\n',
      code: 0,
    })
    for (const some of [[paths[0]!], [paths[1]!], [paths[2]!], paths.slice(1)])
      expect(await runCommand(verifyCommand, some)).toMatchObject({ code: 0 })
  })

  it('says that the last file is missing: its connection goes on in none of these', async () => {
    const ran = await runCommand(verifyCommand, series().paths.slice(0, 2))
    expect(ran.stdout).toMatch(
      /ok: 1 connection \(1 going on in a file that is not among these\), .*2 files\n$/,
    )
    expect(ran.code).toBe(0)
  })

  it('tells a hole where a file is missing in between', async () => {
    const { paths } = series()
    const ran = await runCommand(verifyCommand, [paths[0]!, paths[2]!])
    expect(ran.stdout).toContain('upstream: 4 bytes missing at 4: in a file that is not among these\n')
    expect(ran).toMatchObject({ code: 1 })
    expect(ran.stdout).toMatch(/\nfailed: 1 connection, 12 B, 2 holes \(6 B missing\), 2 files\n$/)
  })

  it('tells of all damaged files, and reads the others', async () => {
    const { directory, paths } = series((bytes, index) => (index === 1 ? bytes : torn(bytes)))
    const ran = await runCommand(verifyCommand, [directory])
    expect(ran.code).toBe(1)
    expect(ran.stdout.match(/^damage: .*/gm)).toEqual([
      expect.stringMatching(`^damage: '${paths[0]}' is cut short at byte \\d+: `),
      expect.stringMatching(`^damage: '${paths[2]}' is cut short at byte \\d+: `),
    ])
    expect(ran.stdout).toMatch(/3 files, 2 of them damaged\n$/)
    const json = jsonLines(await runCommand(verifyCommand, [directory, '--json']))
    expect(json.filter(({ kind }) => kind === 'damage')).toMatchObject([
      { file: paths[0] },
      { file: paths[2] },
    ])
    expect(json.at(-1)).toMatchObject({ kind: 'summary', files: 3, damagedFiles: 2, ok: false })
  })

  it('repairs each torn file', async () => {
    const { directory, paths } = series((bytes, index) => (index === 1 ? bytes : torn(bytes)))
    const ran = await runCommand(verifyCommand, [directory, '--repair'])
    expect(ran.stdout.match(/^repaired: .*/gm)).toEqual([
      expect.stringMatching(`^repaired: '${paths[0]}': \\d+ bytes of a torn record cut off at byte \\d+$`),
      expect.stringContaining(paths[2]!),
    ])
    const again = await runCommand(verifyCommand, [directory])
    expect(again.stdout).not.toContain('damage')
    expect(again.code).toBe(0)
  })

  it('repairs no compressed file, and says so', async () => {
    const path = join(tempDir(), 'a.pcapng.gz')
    writeFileSync(path, gzipSync(torn(SERIES_FILES[0]!)))
    const before = readFileSync(path)
    const ran = await runCommand(verifyCommand, [path, '--repair'])
    expect(ran.stderr).toMatch(ONE_LINE)
    expect(ran.stderr).toContain('it is compressed: decompress it, and repair what comes out')
    expect(ran.code).toBe(1)
    expect(readFileSync(path)).toEqual(before)
  })
})

describe('export', () => {
  it('writes one file of many, and tells of damage after what it has read', async () => {
    const { directory, paths } = series((bytes, index) => (index === 0 ? torn(bytes) : bytes))
    const to = join(tempDir(), 'all.jsonl')
    const ran = await runCommand(exportCommand, [directory, '--to', to])
    expect(ran).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`'${paths[0]}' is cut short at byte`),
    })
    const kinds = readFileSync(to, 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { kind: string }).kind)
    expect(kinds.filter((kind) => kind === 'data')).toHaveLength(6)
    expect(kinds.at(-1)).toBe('close')
  })

  const eventsOf = async (paths: readonly string[]): Promise<string> =>
    (await runCommand(exportCommand, [...paths, '--to', '-', '--format', 'jsonl'])).stdout

  it('joins them to one pcapng, in which a connection that goes on is one', async () => {
    const { directory, paths } = series((bytes, index) => (index === 1 ? gzipSync(bytes) : bytes))
    const to = join(tempDir(), 'all.pcapng')
    expect(await runCommand(exportCommand, [directory, '--to', to])).toMatchObject({
      code: 0,
      stderr: 'tidegate: exported 1 connection, 18 B\n',
    })
    expect(await eventsOf([to])).toBe(await eventsOf([directory]))
    expect(await runCommand(verifyCommand, [to])).toMatchObject({
      code: 0,
      stdout: 'ok: 1 connection, 18 B, no holes\n',
    })
    // Some of them are joined as well, and later with the rest.
    const half = join(tempDir(), 'half.pcapng')
    await runCommand(exportCommand, [paths[1]!, paths[0]!, '--to', half])
    const whole = join(tempDir(), 'whole.pcapng')
    await runCommand(exportCommand, [paths[2]!, half, '--to', whole])
    expect(readFileSync(whole)).toEqual(readFileSync(to))
  })

  it('joins what can be read of them', async () => {
    const { directory, paths } = series((bytes, index) => (index === 1 ? torn(bytes) : bytes))
    const to = join(tempDir(), 'all.pcapng')
    const ran = await runCommand(exportCommand, [directory, '--to', to])
    expect(ran).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`'${paths[1]}' is cut short at byte`),
    })
    expect(await eventsOf([to])).toBe(await eventsOf([directory]))
    expect((await runCommand(verifyCommand, [to])).code).toBe(0)
  })

  it('never writes to one of the files it reads', async () => {
    const { directory, paths } = series()
    const ran = await runCommand(exportCommand, [
      directory,
      '--to',
      paths[1]!,
      '--format',
      'jsonl',
      '--force',
    ])
    expect(ran).toMatchObject({
      code: 1,
      stderr: `tidegate: '${paths[1]}' is a recording that is being read: export to another file\n`,
    })
    expect(readFileSync(paths[1]!)).toEqual(Buffer.from(SERIES_FILES[1]!))
  })
})
