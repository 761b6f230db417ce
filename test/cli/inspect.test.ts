import { truncateSync } from 'node:fs'
import { Writable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it, vi } from 'vitest'
import { inspectCommand } from '../../src/cli/commands/inspect.js'
import { encodeGogetwayFrame } from '../../src/core/codec/gogetway/frame.js'
import { expectSameBytes } from '../support/recording.js'
import { collectStreams } from '../support/streams.js'
import { describeWith } from '../support/tools.js'
import { readWithTshark } from '../support/tshark.js'
import {
  asPcap,
  endless,
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

const inspect = (args: readonly string[], options?: RunWith) => runCommand(inspectCommand, args, options)

const frame = (from: string, to: string, body: string) =>
  encodeGogetwayFrame({ timeNs: 1n, type: 1, from, to, body: utf8(body) })

describe('inspect FILE', () => {
  it('lists the connections as they end, then those left open, and sums them up on stderr', async () => {
    const { stdout, stderr, code } = await inspect([fileOf(HOLED)])
    const rows = stdout.split('\n').map((line) => line.trim().split(/ {2,}/))
    expect(rows).toEqual([
      [
        '#',
        'client',
        'server',
        'listener',
        'start (UTC)',
        'duration',
        'upstream',
        'downstream',
        'end',
        'lost',
      ],
      [
        '1',
        '127.0.0.1:40001',
        '10.0.0.1:6379',
        'one',
        '2027-01-15 08:00:00.001',
        '6ms',
        '3 B',
        '0 B',
        'client_fin',
        '-',
      ],
      [
        '2',
        '127.0.0.1:40002',
        '10.0.0.1:6379',
        'one',
        '2027-01-15 08:00:00.002',
        '6ms',
        '13 B',
        '0 B',
        'client_fin',
        '6 B',
      ],
      [
        '3',
        '127.0.0.1:40003',
        '10.0.0.1:6379',
        'one',
        '2027-01-15 08:00:00.009',
        '1ms',
        '12 B',
        '0 B',
        'open',
        '-',
      ],
      [''],
    ])
    expect(stderr).toBe(
      'tidegate: pcapng: 3 connections, 1 of them open, 28 B upstream, 0 B downstream, 6 B lost in 1 connection\n',
    )
    expect(code).toBe(0)
  })

  it('gives the same as JSON Lines', async () => {
    const ran = await inspect([fileOf(HOLED), '--json'])
    expect(jsonLines(ran)).toEqual([
      expect.objectContaining({ connection: 1, state: 'closed', reason: 'client_fin', durationMs: 6 }),
      {
        connection: 2,
        client: '127.0.0.1:40002',
        server: '10.0.0.1:6379',
        listener: 'one',
        start: '2027-01-15T08:00:00.002000000Z',
        durationMs: 6,
        bytes: { upstream: 13, downstream: 0 },
        lost: { upstream: 6, downstream: 0 },
        cut: { upstream: 0, downstream: 0 },
        state: 'closed',
        reason: 'client_fin',
        end: 'fin',
        fromStart: true,
        continues: null,
        continued: false,
        id: 2,
        recording: null,
      },
      expect.objectContaining({ connection: 3, state: 'open', reason: null, end: null }),
    ])
  })

  it.each([
    [['--reason', 'open'], [3]],
    [
      ['--reason', 'client_fin'],
      [1, 2],
    ],
    [['--client', ':40002'], [2]],
    [['--client', ':40002', '--reason', 'open'], []],
  ])('lists only what %j asks for', async (filter, found) => {
    const ran = await inspect([fileOf(HOLED), '--json', ...filter])
    expect(jsonLines(ran).map(({ connection }) => connection)).toEqual(found)
  })

  it('prints long lists in pages, each with its header', async () => {
    const many = recorded((tape) => {
      for (let id = 1; id <= 250; id++) tape.hangUp(tape.connect(id))
    })
    const { stdout } = await inspect([fileOf(many)])
    const lines = stdout.trimEnd().split('\n')
    expect(lines.filter((line) => line.includes('client  '))).toHaveLength(3)
    expect(lines.map((line) => Number.parseInt(line, 10)).filter((n) => n > 0)).toEqual(
      Array.from({ length: 250 }, (_, index) => index + 1),
    )
  })

  it('reads a capture of another tool, which knows no reasons', async () => {
    const ran = await inspect([fileOf(asPcap(PING_PONG)), '--json'])
    expect(jsonLines(ran)).toMatchObject([
      { client: '127.0.0.1:40001', reason: null, end: 'fin', bytes: { upstream: 6, downstream: 7 } },
    ])
  })

  it('reads gogetway, which knows no ends', async () => {
    const file = Buffer.concat([
      frame('10.0.0.1:5', '10.0.0.2:80', 'hi'),
      frame('10.0.0.2:80', '10.0.0.1:5', 'yo!'),
    ])
    const ran = await inspect([fileOf(file), '--json'])
    expect(jsonLines(ran)).toMatchObject([
      { client: '10.0.0.1:5', server: '10.0.0.2:80', state: 'open', bytes: { upstream: 2, downstream: 3 } },
    ])
  })

  it('names the real ends of unix sockets', async () => {
    const file = recorded((tape) => tape.hangUp(tape.connect(1, 'unix:/run/app.sock', '[2001:db8::7]:443')))
    expect(jsonLines(await inspect([fileOf(file), '--json']))).toMatchObject([
      { client: 'unix:/run/app.sock', server: '[2001:db8::7]:443' },
    ])
  })

  it('reads stdin', async () => {
    const stdin = (async function* () {
      yield HOLED.subarray(0, 5)
      yield HOLED.subarray(5)
    })()
    expect(jsonLines(await inspect(['-', '--json'], { stdin }))).toHaveLength(3)
  })

  it('uses colours on a terminal only', async () => {
    vi.stubEnv('TERM', 'xterm')
    vi.stubEnv('NO_COLOR', '')
    const plain = (await inspect([fileOf(HOLED)])).stdout
    const coloured = (await inspect([fileOf(HOLED)], { isTTY: true })).stdout
    vi.stubEnv('NO_COLOR', '1')
    expect((await inspect([fileOf(HOLED)], { isTTY: true })).stdout).toBe(plain)
    vi.unstubAllEnvs()
    expect(stripVTControlCharacters(plain)).toBe(plain)
    expect(coloured).not.toBe(plain)
    expect(stripVTControlCharacters(coloured)).toBe(plain)
  })

  it('prints what is before the damage, then says where it is, and fails', async () => {
    const { stdout, stderr, code } = await inspect([fileOf(HOLED.subarray(0, HOLED.length - 7)), '--json'])
    expect(stdout.trimEnd().split('\n')).toHaveLength(3)
    expect(stderr).toMatch(
      /is cut short at byte \d+: .*; what is before it was read; 'tidegate verify --repair'/,
    )
    expect(stderr.trimEnd().split('\n')).toHaveLength(2)
    expect(code).toBe(1)
  })
})

describe('inspect FILE --connection N', () => {
  it('shows what was said, in order', async () => {
    const { stdout, stderr, code } = await inspect([fileOf(PING_PONG), '--connection', '1'])
    expect(stdout).toBe(
      [
        'connection 1: 127.0.0.1:40001 -> 10.0.0.1:6379  listener one  2027-01-15T08:00:00.001000000Z',
        '> upstream    +0.001000000  @0  6 bytes',
        '  PING\\r',
        '< downstream  +0.002000000  @0  7 bytes',
        '  +PONG\\r',
        '= upstream    +0.003000000  ended',
        '= downstream  +0.003000000  ended',
        '= closed      +0.003000000  client_fin',
        '',
      ].join('\n'),
    )
    expect([stderr, code]).toEqual(['', 0])
  })

  it('shows it as a hex dump', async () => {
    const { stdout } = await inspect([
      fileOf(PING_PONG),
      '-c',
      '1',
      '--as',
      'hex',
      '--direction',
      'downstream',
    ])
    expect(stdout).toContain(
      [
        '< downstream  +0.002000000  @0  7 bytes\n',
        '  00000000  2b 50 4f 4e 47 0d 0a                              |+PONG..|\n',
        '= downstream  +0.003000000  ended\n',
      ].join(''),
    )
    expect(stdout).not.toContain('upstream')
  })

  it('shows holes where they are', async () => {
    const { stdout } = await inspect([fileOf(HOLED), '-c', '2'])
    expect(stdout).toMatch(
      /@0 {2}7 bytes\n {2}before \n! upstream .* @7 {2}6 bytes missing: write failed: ENOSPC\n> upstream .* @13 {2}6 bytes\n {2} after\n/,
    )
  })

  it('gives one JSON object per event, payloads in base64', async () => {
    const found = jsonLines(await inspect([fileOf(PING_PONG), '-c', '1', '--json']))
    expect(found.map(({ kind }) => kind)).toEqual(['open', 'data', 'data', 'fin', 'fin', 'close'])
    expect(found[1]).toEqual({
      kind: 'data',
      connection: 1,
      time: '2027-01-15T08:00:00.002000000Z',
      direction: 'upstream',
      at: 0,
      length: 6,
      data: Buffer.from('PING\r\n').toString('base64'),
    })
  })

  it('writes the exact bytes of one direction', async () => {
    const payload = Uint8Array.from({ length: 300_000 }, (_, at) => (at * 7) % 251)
    const file = recorded((tape) => {
      const one = tape.connect(1)
      tape.say(one, 'downstream', 'not this')
      tape.say(one, 'upstream', payload)
      tape.hangUp(one)
    })
    const ran = await inspect([fileOf(file), '-c', '1', '--as', 'raw', '--direction', 'upstream'])
    expect(ran.bytes.equals(payload)).toBe(true)
    expect([ran.stderr, ran.code]).toEqual(['', 0])
  })

  it('tells of holes in raw bytes on stderr, and fails', async () => {
    const ran = await inspect([fileOf(HOLED), '-c', '2', '--as', 'raw', '--direction', 'upstream'])
    expect(ran).toMatchObject({
      stdout: 'before  after',
      stderr: 'tidegate: connection 2 upstream: 6 bytes missing at 7: write failed: ENOSPC\n',
      code: 1,
    })
  })

  it('says which connections there are when it is asked for another', async () => {
    const file = fileOf(HOLED)
    expect(await inspect([file, '-c', '4'])).toMatchObject({
      stdout: '',
      stderr: `tidegate: '${file}' has no connection 4: it has 1 to 3\n`,
      code: 1,
    })
  })

  it('says so when the connection may be behind the damage', async () => {
    const { stderr, code } = await inspect([fileOf(PING_PONG.subarray(0, PING_PONG.length - 3)), '-c', '2'])
    expect(stderr).toMatch(
      /^tidegate: '.*' has no connection 2: it has only 1, before it is cut short at byte \d+: .*\n$/,
    )
    expect(code).toBe(1)
  })

  it('stops reading when the conversation is over', async () => {
    let asked = 0
    const stdin = (async function* () {
      yield PING_PONG
      asked++
      yield PING_PONG
    })()
    expect((await inspect(['-', '-c', '1'], { stdin })).code).toBe(0)
    expect(asked).toBe(0)
  })
})

describe('inspect used wrongly', () => {
  it.each([
    [['x', '--as', 'hex'], /--as needs --connection/],
    [['x', '--direction', 'upstream'], /--direction needs --connection/],
    [['x', '-c', '1', '--as', 'raw'], /--as raw needs --direction/],
    [['x', '-c', '1', '--as', 'hex', '--json'], /exclude each other/],
    [['x', '-c', '1', '--client', 'a'], /--client chooses rows/],
    [['x', '-c', '0'], /--connection: '0' is not a connection's number/],
    [['x', '-c', 'one'], /'one'/],
    [['x', '-c', '1', '--as', 'json'], /Allowed choices are text, hex, raw/],
    [['x', '--reason', 'bored'], /Allowed choices are open, continued, fin, reset, client_fin/],
    [[], /missing required argument 'FILE'/],
  ])('%j is one line and exit code 2', async (args, says) => {
    const ran = await inspect(args)
    expect(ran.stderr).toMatch(ONE_LINE)
    expect(ran).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(says) })
  })
})

describe('inspect of what is no recording', () => {
  it.each([
    [
      'a file that is not there',
      () => `${tempDir()}/none`,
      /^tidegate: cannot read '.*none': no such file \(ENOENT\)\n$/,
    ],
    [
      'an empty directory',
      tempDir,
      /^tidegate: '.*' holds no recordings: expected pcapng, pcap or gogetway\n$/,
    ],
    [
      'a foreign file',
      () => fileOf(utf8('#!/bin/sh\n')),
      /is not a recording: expected pcapng, pcap or gogetway\n$/,
    ],
    [
      'an empty file',
      () => fileOf(utf8('')),
      /^tidegate: '.*' is empty: expected pcapng, pcap or gogetway\n$/,
    ],
    ['a few bytes of one', () => fileOf(PING_PONG.subarray(0, 6)), /is not a recording/],
    [
      'a few bytes of a compressed one',
      () => fileOf(Uint8Array.of(0x1f, 0x8b, 8, 0)),
      /cannot be read: its gzip data ends too early: expected/,
    ],
  ])('%s is one line and exit code 1', async (_, path, says) => {
    const ran = await inspect([path()])
    expect(ran.stderr).toMatch(ONE_LINE)
    expect(ran).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(says) })
  })
})

/** A stdout that fails its first write. */
const failing = (code: string): Writable =>
  new Writable({ write: (_, __, done) => done(Object.assign(new Error(code), { code })) })

describe('inspect into a stdout that fails', () => {
  it('ends quietly when nobody reads any more', async () => {
    const ran = await inspect([fileOf(PING_PONG), '-c', '1'], { stdout: failing('EPIPE') })
    expect(ran).toMatchObject({ code: 0, stderr: '' })
  })

  it('says so when it is a full disk', async () => {
    const ran = await inspect([fileOf(PING_PONG), '-c', '1'], { stdout: failing('ENOSPC') })
    expect(ran.stderr).toMatch(ONE_LINE)
    expect(ran).toMatchObject({ code: 1, stderr: expect.stringContaining('cannot write to stdout') })
  })
})

const MIB = 1024 * 1024

/** Counts what is written to it, and the most memory this process has had meanwhile. */
const gauge = () => {
  const before = process.memoryUsage().rss
  const seen = { bytes: 0, growth: 0 }
  const stream = new Writable({
    write: (chunk: Uint8Array, _, done) => {
      seen.bytes += chunk.length
      seen.growth = Math.max(seen.growth, process.memoryUsage().rss - before)
      setImmediate(done)
    },
  })
  return { stream, seen }
}

describe('inspect of a recording that is larger than memory should be', () => {
  it('takes no more memory for 300 MiB than for a few', async () => {
    const total = 300 * MIB
    const { stream, seen } = gauge()
    const stdin = endless(total, new Uint8Array(40_000).fill(0x61))
    const ran = await inspect(['-', '-c', '1', '--as', 'raw', '--direction', 'upstream'], {
      stdin,
      stdout: stream,
    })
    expect(ran).toMatchObject({ code: 0, stderr: '' })
    expect(seen.bytes).toBe(total)
    expect(seen.growth / MIB).toBeLessThan(100)
  })
})

describe('progress', () => {
  const NEWS = /reading .*%/

  const sparse = (): string => {
    const path = fileOf(PING_PONG)
    // What a power failure leaves: zeros, which cost no disk.
    truncateSync(path, 80 * MIB)
    return path
  }

  it('is shown for a long file when somebody is there, and taken away again', async () => {
    const { stderr } = await inspect([sparse(), '--json'], { isTTY: true })
    expect(stderr).toMatch(NEWS)
    expect(stderr.slice(stderr.lastIndexOf('%'))).toMatch(/tidegate: pcapng: 1 connection/)
  })

  it('is not shown to programs, nor for a short file', async () => {
    expect((await inspect([sparse()])).stderr).not.toMatch(NEWS)
    expect((await inspect([fileOf(PING_PONG)], { isTTY: true })).stderr).not.toMatch(NEWS)
  })
})

/** Two conversations at once, with payloads larger than a packet. */
const INTERLEAVED = recorded((tape) => {
  const [one, two] = [tape.connect(1), tape.connect(2, 'unix:/run/client', 'unix:/run/server')]
  for (let turn = 0; turn < 20; turn++) {
    tape.say(one, 'upstream', `request ${turn} --benbens--\\n\\nt`)
    tape.say(
      two,
      'downstream',
      Uint8Array.from({ length: 9000 * turn }, (_, at) => (at * turn) % 256),
    )
    tape.say(one, 'downstream', Uint8Array.of(turn, 0, 255, 10))
    tape.say(two, 'upstream', 'ok')
  }
  tape.hangUp(one)
  tape.hangUp(two)
})

describeWith(['tshark'], 'inspect beside tshark', () => {
  it.each([
    ['our own recording', INTERLEAVED],
    ['a capture without annotations', asPcap(INTERLEAVED)],
  ])('gives the bytes that follow-stream gives, for %s', async (_, bytes) => {
    const file = fileOf(bytes, 'fixture.pcapng')
    const { sink, streams } = collectStreams()
    await readWithTshark(file, { connections: [1, 2], sink })
    const followed = streams()
    for (const connection of [1, 2])
      for (const direction of ['upstream', 'downstream'] as const) {
        const ran = await inspect([file, '-c', String(connection), '--as', 'raw', '--direction', direction])
        expectSameBytes(
          ran.bytes,
          followed.get(connection)?.[direction] ?? Buffer.alloc(0),
          `${connection} ${direction}`,
        )
        expect(ran.bytes.length).toBeGreaterThan(0)
      }
  })
})
