import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { exportCommand } from '../../src/cli/commands/export.js'
import { encodeGogetwayFrame } from '../../src/core/codec/gogetway/frame.js'
import { createPcapngReader } from '../../src/core/codec/pcapng/reader.js'
import { readAll } from '../core/codec/builders.js'
import {
  asPcap,
  fileOf,
  HOLED,
  jsonLines,
  ONE_LINE,
  PING_PONG,
  type RunWith,
  recorded,
  runCommand,
  tempDir,
  utf8,
} from './recordings.js'

const exportFile = (args: readonly string[], options?: RunWith) => runCommand(exportCommand, args, options)

/** 27 ns: what a float of milliseconds cannot hold. */
const TIME_NS = 1_800_000_000_000_000_027n

const FRAMES = Buffer.concat(
  [
    { from: '127.0.0.1:5000', to: '127.0.0.1:80', body: 'GET / --benbens--\nt\n\n' },
    { from: '127.0.0.1:80', to: '127.0.0.1:5000', body: '\nt'.repeat(9) },
    { from: 'unix:/run/client', to: 'unix:/run/server', body: 'x' },
  ].map(({ from, to, body }, index) =>
    encodeGogetwayFrame({ timeNs: TIME_NS + BigInt(index), type: 1, from, to, body: utf8(body) }),
  ),
)

/** A path in the same new directory as nothing else. */
const target = (name: string): string => join(tempDir(), name)

describe('export', () => {
  it('writes every event as JSON Lines', async () => {
    const to = target('out.jsonl')
    const ran = await exportFile([fileOf(PING_PONG), '--to', to])
    expect(ran).toMatchObject({ code: 0, stdout: '', stderr: 'tidegate: exported 1 connection, 13 B\n' })
    const events = jsonLines({ ...ran, stdout: readFileSync(to, 'utf8') })
    expect(events.map(({ kind }) => kind)).toEqual(['open', 'data', 'data', 'fin', 'fin', 'close'])
    expect(Buffer.from(String(events[2]?.data), 'base64').toString()).toBe('+PONG\r\n')
  })

  it('takes the progress of a long file away before it says what it did', async () => {
    const long = fileOf(PING_PONG)
    // Zeros at the end, which cost no disk.
    truncateSync(long, 80 * 1024 ** 2)
    const { stderr } = await exportFile([long, '--to', target('out.jsonl')], { isTTY: true })
    expect(stderr).toMatch(/reading .*%/)
    expect(stderr.slice(stderr.lastIndexOf('%'))).toContain('tidegate: exported 1 connection, 13 B\n')
  })

  it('writes gogetway from pcapng and from pcap alike', async () => {
    const [one, two] = [target('a.gogetway'), target('b.gogetway')]
    await exportFile([fileOf(PING_PONG), '--to', one])
    await exportFile([fileOf(asPcap(PING_PONG)), '--to', two])
    const first = encodeGogetwayFrame({
      timeNs: 1_800_000_000_002_000_000n,
      type: 1,
      from: '127.0.0.1:40001',
      to: '10.0.0.1:6379',
      body: utf8('PING\r\n'),
    })
    expect(readFileSync(one).subarray(0, first.length).equals(first)).toBe(true)
    expect(readFileSync(two).equals(readFileSync(one))).toBe(true)
  })

  it('keeps each frame of gogetway, to the byte and the nanosecond, through pcapng and back', async () => {
    const [pcapng, back] = [target('out.pcapng'), target('back.gogetway')]
    expect((await exportFile([fileOf(FRAMES), '--to', pcapng])).code).toBe(0)
    expect((await exportFile([pcapng, '--to', back])).code).toBe(0)
    expect(readFileSync(back).equals(FRAMES)).toBe(true)
  })

  it('writes packets as they are: of pcapng with all that is said of them, of pcap in any case', async () => {
    const [one, two] = [target('a.pcapng'), target('b.pcapng')]
    expect(await exportFile([fileOf(HOLED), '--to', one])).toMatchObject({ code: 0 })
    const records = (bytes: Uint8Array) =>
      readAll(createPcapngReader(), bytes).map((record) => ({ ...record, offset: 0 }))
    expect(records(readFileSync(one))).toEqual(records(HOLED))
    expect(await exportFile([fileOf(asPcap(PING_PONG)), '--to', two])).toMatchObject({ code: 0 })
    const packets = (bytes: Uint8Array) => records(bytes).filter(({ kind }) => kind === 'packet')
    expect(packets(readFileSync(two))).toEqual(
      packets(PING_PONG).map((packet) => ({ ...packet, comments: [] })),
    )
  })

  it('writes files of packets and of frames to one pcapng', async () => {
    // A conversation of frames before and after the packets.
    const files = [
      fileOf(FRAMES, 'a.gogetway'),
      fileOf(HOLED),
      fileOf(asPcap(PING_PONG)),
      fileOf(
        encodeGogetwayFrame({
          timeNs: 2n * TIME_NS,
          type: 1,
          from: '127.0.0.1:80',
          to: '127.0.0.1:5000',
          body: utf8('bye'),
        }),
      ),
    ]
    const to = target('all.pcapng')
    expect(await exportFile([...files, '--to', to])).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('tidegate: exported 6 connections, 84 B\n'),
    })
    const said = async (paths: readonly string[]) => {
      const ran = await exportFile([...paths, '--to', '-', '--format', 'jsonl'])
      return jsonLines(ran)
        .filter(({ kind }) => kind === 'data' || kind === 'gap' || kind === 'close')
        .map(({ id: _, ...event }) => event)
    }
    expect(await said([to])).toEqual(await said(files))
  })

  it('writes to stdout, and reads stdin', async () => {
    const stdin = (async function* () {
      yield FRAMES
    })()
    const ran = await exportFile(['-', '--to', '-', '--format', 'gogetway'], { stdin })
    expect(ran.bytes.equals(FRAMES)).toBe(true)
    expect(ran).toMatchObject({ code: 0, stderr: 'tidegate: exported 2 connections, 40 B\n' })
  })

  it('makes a file that only its owner can read', async () => {
    const to = target('out.jsonl')
    await exportFile([fileOf(PING_PONG), '--to', to])
    expect((statSync(to).mode & 0o777).toString(8)).toBe('600')
    expect(readdirSync(dirname(to))).toEqual(['out.jsonl'])
  })

  it('tells of holes, ten of them by name', async () => {
    const ran = await exportFile([fileOf(HOLED), '--to', target('out.gogetway')])
    expect(ran).toMatchObject({
      code: 0,
      stderr: [
        'tidegate: hole: connection 2 upstream, 6 bytes missing at 7: write failed: ENOSPC\n',
        'tidegate: exported 3 connections, 28 B\n',
      ].join(''),
    })
    const many = recorded((tape) => {
      const one = tape.connect(1)
      tape.writeAll()
      for (let hole = 0; hole < 15; hole++) {
        tape.say(one, 'upstream', 'lost')
        tape.write('write failed: EIO')
        tape.say(one, 'upstream', 'kept')
        tape.writeAll()
      }
    })
    const { stderr } = await exportFile([fileOf(many), '--to', target('out.jsonl')])
    expect(stderr.match(/hole: connection/g)).toHaveLength(10)
    expect(stderr).toContain("and 5 more holes: 'tidegate verify' lists them all")
  })

  it('keeps what is before the damage, says where it is, and fails', async () => {
    const to = target('out.jsonl')
    const ran = await exportFile([fileOf(HOLED.subarray(0, HOLED.length - 5)), '--to', to])
    expect(ran.code).toBe(1)
    expect(ran.stderr).toMatch(
      /^tidegate: hole.*\ntidegate: exported 3 .*\ntidegate: '.*' is cut short at byte \d+/,
    )
    expect(readFileSync(to, 'utf8').trimEnd().split('\n').at(-1)).toMatch(/"kind":"open","connection":3/)
  })
})

describe('export to a file that is there', () => {
  it('leaves it alone', async () => {
    const to = fileOf(utf8('precious'), 'out.jsonl')
    expect(await exportFile([fileOf(PING_PONG), '--to', to])).toMatchObject({
      code: 1,
      stderr: `tidegate: '${to}' exists already: --force replaces it\n`,
    })
    expect(readFileSync(to, 'utf8')).toBe('precious')
  })

  it('replaces it with --force, for its owner only', async () => {
    const to = fileOf(utf8('old'), 'out.jsonl')
    chmodSync(to, 0o644)
    expect((await exportFile([fileOf(PING_PONG), '--to', to, '--force'])).code).toBe(0)
    expect(readFileSync(to, 'utf8')).toContain('"kind":"open"')
    expect((statSync(to).mode & 0o777).toString(8)).toBe('600')
  })

  it('replaces what a link leads to, and keeps the link', async () => {
    const real = fileOf(utf8('old'), 'real.jsonl')
    const link = target('link.jsonl')
    symlinkSync(real, link)
    expect((await exportFile([fileOf(PING_PONG), '--to', link, '--force'])).code).toBe(0)
    expect(readFileSync(real, 'utf8')).toContain('"kind":"open"')
    expect(readFileSync(link, 'utf8')).toBe(readFileSync(real, 'utf8'))
  })

  it('never writes to the recording it reads, by whatever name', async () => {
    const file = fileOf(FRAMES, 'a.gogetway')
    const hard = target('hard.gogetway')
    const soft = target('soft.gogetway')
    linkSync(file, hard)
    symlinkSync(file, soft)
    for (const to of [file, hard, soft])
      expect(await exportFile([file, '--to', to, '--force'])).toMatchObject({
        code: 1,
        stderr: `tidegate: '${to}' is a recording that is being read: export to another file\n`,
      })
    expect(readFileSync(file).equals(FRAMES)).toBe(true)
  })

  it('leaves alone what another export is writing, or --force takes its place', async () => {
    const to = target('out.jsonl')
    writeFileSync(`${to}.partial`, 'half')
    const ran = await exportFile([fileOf(PING_PONG), '--to', to])
    expect(ran.stderr).toMatch(/^tidegate: '.*out\.jsonl\.partial' is in the way: .*--force replaces it\n$/)
    expect(ran.code).toBe(1)
    expect(readFileSync(`${to}.partial`, 'utf8')).toBe('half')
    expect((await exportFile([fileOf(PING_PONG), '--to', to, '--force'])).code).toBe(0)
    expect(readdirSync(dirname(to))).toEqual(['out.jsonl'])
  })

  it('never takes its own input for such a rest', async () => {
    const to = target('out.gogetway')
    writeFileSync(`${to}.partial`, FRAMES)
    expect((await exportFile([`${to}.partial`, '--to', to, '--force'])).code).toBe(1)
    expect(readFileSync(`${to}.partial`).equals(FRAMES)).toBe(true)
  })
})

describe('export that cannot be written', () => {
  it.runIf(existsSync('/dev/full'))('tells of a full device', async () => {
    const ran = await exportFile([fileOf(PING_PONG), '--to', '/dev/full', '--format', 'jsonl'])
    expect(ran.stderr).toMatch(/'\/dev\/full' could not be written: ENOSPC\n$/)
    expect(ran.code).toBe(1)
  })

  it('leaves nothing behind when reading fails half-way', async () => {
    const to = target('out.jsonl')
    const stdin = (async function* () {
      yield PING_PONG
      throw Object.assign(new Error('read EIO'), { code: 'EIO' })
    })()
    const ran = await exportFile(['-', '--to', to], { stdin })
    expect(ran).toMatchObject({
      code: 1,
      stderr: `tidegate: what was written of '${to}' was removed\ntidegate: cannot read 'stdin': the device reports an error (EIO)\n`,
    })
    expect(readdirSync(dirname(to))).toEqual([])
  })

  it.each([
    ['a directory', () => join(dirname(target('x')), '.'), /it is a folder|directory/],
    ['a directory that is not there', () => join(tempDir(), 'no', 'x.jsonl'), /does not exist/],
  ])('tells of %s in one line', async (_, path, says) => {
    const ran = await exportFile([fileOf(PING_PONG), '--to', path(), '--format', 'jsonl'])
    expect(ran.stderr).toMatch(ONE_LINE)
    expect(ran).toMatchObject({ code: 1, stderr: expect.stringMatching(says) })
  })
})

describe('export used wrongly', () => {
  it.each([
    [['x'], /required option '--to/],
    [['x', '--to', '-'], /--to - needs --format: pcapng, gogetway, jsonl/],
    [
      ['x', '--to', 'out.txt'],
      /--to 'out.txt' does not tell the format: expected \.pcapng, \.gogetway, \.jsonl, \.ndjson/,
    ],
    [['x', '--to', 'out'], /does not tell the format/],
    [['x', '--to', 'a.jsonl', '--format', 'csv'], /Allowed choices are pcapng, gogetway, jsonl/],
  ])('%j is one line and exit code 2', async (args, says) => {
    const ran = await exportFile(args)
    expect(ran.stderr).toMatch(ONE_LINE)
    expect(ran).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(says) })
  })

  it.each(['missing', 'folder', 'foreign'])(
    'a %s recording is one line, and nothing is written',
    async (what) => {
      const directory = tempDir()
      mkdirSync(join(directory, 'folder'))
      writeFileSync(join(directory, 'foreign'), 'hello')
      const ran = await exportFile([join(directory, what), '--to', join(directory, 'out.jsonl')])
      expect(ran.stderr).toMatch(ONE_LINE)
      expect(ran.code).toBe(1)
      expect(readdirSync(directory)).toEqual(['folder', 'foreign'])
    },
  )
})
