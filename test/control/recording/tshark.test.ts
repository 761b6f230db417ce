import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ConnectionTap, Recording } from '../../../src/control/recording/recording.js'
import { openRecordingSite } from '../../../src/control/recording/site.js'
import { type Address, parseAddress } from '../../../src/core/address.js'
import type { Direction } from '../../../src/core/direction.js'
import type { WholeStore } from '../../../src/ports/store.js'
import { openFileSink } from '../../../src/sinks/file/file-sink.js'
import { FileWriter } from '../../../src/sinks/file/file-writer.js'
import { pattern } from '../../core/record/parse.js'
import { openFileStore, openRig, soleRecording } from './rig.js'

const installed = spawnSync('tshark', ['--version']).status === 0
const title = installed ? 'as tshark reads it' : 'as tshark reads it (SKIPPED: tshark is not installed)'

const tshark = async (file: string, ...options: string[]): Promise<string> => {
  const checked = ['-o', 'tcp.check_checksum:TRUE', '-o', 'ip.check_checksum:TRUE']
  const { stdout } = await promisify(execFile)('tshark', ['-n', ...checked, '-r', file, ...options], {
    maxBuffer: 2 ** 28,
  })
  return stdout
}

/** Both directions of `-z follow,tcp,raw,N`: hex lines, those of the server indented. */
const follow = async (file: string, stream: number) => {
  const output = await tshark(file, '-q', '-z', `follow,tcp,raw,${stream}`)
  const side = (pattern: RegExp): Buffer =>
    Buffer.from([...output.matchAll(pattern)].map(([, hex]) => hex).join(''), 'hex')
  return { upstream: side(/^([0-9a-f]+)$/gm), downstream: side(/^\t([0-9a-f]+)$/gm) }
}

/** `_ws.expert.severity` of a warning; comments, chats and notes are below. */
const WARNING = 0x600000

const warnings = (file: string): Promise<string> =>
  tshark(
    file,
    ...['-Y', `_ws.expert.severity >= ${WARNING} || tcp.checksum.status == 0 || ip.checksum.status == 0`],
    ...['-T', 'fields', '-e', '_ws.expert.message'],
  )

interface Case {
  readonly name: string
  readonly client: Address
  readonly server: Address
}

const CASES: readonly Case[] = [
  { name: 'IPv4', client: parseAddress('127.0.0.1:40001'), server: parseAddress('10.1.2.3:45001') },
  { name: 'IPv6', client: parseAddress('[::1]:40002'), server: parseAddress('[2001:db8::5]:45002') },
  { name: 'IPv4 to IPv6', client: parseAddress('10.9.9.9:40003'), server: parseAddress('[::1]:45003') },
  {
    name: 'mapped to IPv4',
    client: parseAddress('[::ffff:127.0.0.1]:40004'),
    server: parseAddress('1.2.3.4:45004'),
  },
  {
    name: 'unix',
    client: { kind: 'unix', path: '' },
    server: parseAddress('unix:/run/service.sock'),
  },
  { name: 'IPv6 to unix', client: parseAddress('[::1]:40006'), server: parseAddress('unix:/run/s') },
]

const SIZES = { upstream: [1, 5, 70_000, 3], downstream: [200_001, 2, 65_536, 64] } as const

const sent = (index: number, direction: Direction): Uint8Array =>
  pattern(
    index * 2 + (direction === 'upstream' ? 0 : 1),
    0,
    SIZES[direction].reduce<number>((sum, size) => sum + size, 0),
  )

describe.runIf(installed)(title, () => {
  let folder: string
  let file: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tidegate-tshark-'))
    file = join(folder, 'all.pcapng')
    const recording = await record(file)
    const taps = CASES.map(({ client, server }, index) =>
      recording.open({ id: index + 1, listener: 'one', client, server }, () => null),
    )
    for (const turn of [0, 1, 2, 3]) for (const [index, tap] of taps.entries()) exchange(tap, index, turn)
    for (const tap of taps) {
      tap.endOfStream('upstream')
      tap.endOfStream('downstream')
      tap.close('client_fin')
    }
    await recording.close()
  })
  afterAll(() => rm(folder, { recursive: true }))

  test('nothing is malformed, out of order or has a wrong checksum', async () => {
    expect(await warnings(file)).toBe('')
  })

  test.each(CASES.map((which, index) => [which.name, index] as const))(
    'follow-stream of %s gives the bytes that were relayed, each way',
    async (_, index) => {
      const streams = await follow(file, index)
      expect(streams.upstream.equals(sent(index, 'upstream'))).toBe(true)
      expect(streams.downstream.equals(sent(index, 'downstream'))).toBe(true)
    },
  )

  test('every conversation is complete: SYN, SYN-ACK, ACK, data, FIN', async () => {
    const fields = ['-T', 'fields', '-e', 'tcp.stream', '-e', 'tcp.completeness']
    const lines = (await tshark(file, ...fields)).trim().split('\n')
    const last = new Map(lines.map((line) => line.split('\t') as [string, string]))
    expect([...last.values()]).toEqual(CASES.map(() => '31'))
  })

  test('the comments and the listener are shown', async () => {
    const fields = ['-T', 'fields', '-e', 'frame.interface_name', '-e', 'frame.comment']
    const lines = (await tshark(file, '-Y', 'frame.comment', ...fields)).trim().split('\n')
    expect(lines).toHaveLength(2 * CASES.length)
    expect(lines.every((line) => line.startsWith('one\ttidegate '))).toBe(true)
    expect(lines.join('\n')).toContain('"server":"unix:/run/service.sock"')
  })

  test('the same address and port used again is another conversation, also in another section', async () => {
    const twice = join(folder, 'twice.pcapng')
    for (const id of [1, 2]) {
      const recording = await record(twice)
      for (const half of [0, 1]) {
        const { client, server } = CASES[0] ?? { client: null, server: null }
        if (client === null) throw new Error('unreachable')
        const tap = recording.open({ id: id * 2 + half, listener: 'one', client, server }, () => null)
        tap.data(pattern(id * 2 + half, 0, 1000), 'upstream')
        tap.close('client_reset')
      }
      await recording.close()
    }
    for (const stream of [0, 1, 2, 3]) {
      const { upstream } = await follow(twice, stream)
      expect(upstream.equals(pattern(stream + 2, 0, 1000))).toBe(true)
    }
  })

  test('a loss shows as a segment that was not captured, and the rest is not moved', async () => {
    const lossy = join(folder, 'lossy.pcapng')
    const file = await openFileSink(lossy)
    const sink = new FileWriter(file.target)
    let refuse = false
    const refusing: WholeStore = {
      where: sink.where,
      write: (bytes) => (refuse ? Promise.reject(new Error('refused')) : sink.write(bytes)),
      close: () => sink.close(),
    }
    const recording = soleRecording(await openRig(refusing, { onSinkClose: () => file.close() }))
    const [{ client, server }] = CASES as [Case]
    const tap = recording.open({ id: 1, listener: 'one', client, server }, () => null)
    const settled = async (bytes: number): Promise<void> => {
      const deadline = Date.now() + 10_000
      for (;;) {
        const { storedBytes, lostBytes } = recording.counters()
        if (storedBytes + lostBytes === bytes) return
        if (Date.now() > deadline) throw new Error('not settled')
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
    tap.data(pattern(0, 0, 100), 'upstream')
    await settled(100)
    refuse = true
    tap.data(pattern(0, 100, 50), 'upstream')
    await settled(150)
    refuse = false
    tap.data(pattern(0, 150, 100), 'upstream')
    await recording.close()
    const fields = ['-T', 'fields', '-e', 'tcp.seq', '-e', 'tcp.len']
    expect(await tshark(lossy, '-Y', 'tcp.analysis.lost_segment', ...fields)).toBe('151\t100\n')
  })
})

const record = async (file: string): Promise<Recording> =>
  soleRecording(
    await openRecordingSite({
      store: await openFileStore(file),
      listeners: [{ name: 'one', description: 'a test' }],
      application: 'tidegate test',
    }),
  )

const exchange = (tap: ConnectionTap, index: number, turn: number): void => {
  for (const direction of ['upstream', 'downstream'] as const) {
    const sizes = SIZES[direction]
    const before = sizes.slice(0, turn).reduce<number>((sum, size) => sum + size, 0)
    const all = sent(index, direction)
    tap.data(all.subarray(before, before + (sizes[turn] ?? 0)), direction)
  }
}
