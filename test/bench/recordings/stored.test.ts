import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { storedIn } from '../../../bench/recordings/stored.js'
import { encodeGogetwayFrame } from '../../../src/core/codec/gogetway/frame.js'
import { runWell } from '../../support/processes.js'
import { testScope } from '../../support/scope.js'
import { describeWith, toolPath } from '../../support/tools.js'

const CAPTURE = join(import.meta.dirname, '../../fixtures/captures/loopback.pcap')

const fileOf = (...parts: readonly Uint8Array[]): string => {
  const file = join(testScope().tempDir(), 'recording')
  writeFileSync(file, Buffer.concat(parts))
  return file
}

const frame = (body: string): Uint8Array =>
  encodeGogetwayFrame({
    timeNs: 1n,
    type: 1,
    from: '127.0.0.1:1',
    to: '127.0.0.1:2',
    body: Buffer.from(body),
  })

/** An IP packet with so much behind its headers, options among them. */
const packet = (version: 4 | 6, payload: number): Buffer => {
  const ip = version === 6 ? 40 : 24
  const bytes = Buffer.alloc(ip + 32 + payload)
  bytes[0] = version === 6 ? 0x60 : 0x46
  bytes[ip + 12] = 8 << 4
  return bytes
}

const block = (type: number, ...parts: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(parts)
  const padding = Buffer.alloc(-body.length & 3)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(12 + body.length + padding.length)
  const head = Buffer.alloc(4)
  head.writeUInt32LE(type)
  return Buffer.concat([head, length, body, padding, length])
}

const packetBlock = (of: Buffer): Buffer => {
  const head = Buffer.alloc(20)
  head.writeUInt32LE(of.length, 12)
  head.writeUInt32LE(of.length, 16)
  return block(6, head, of)
}

const SECTION = block(0x0a0d0d0a, Buffer.alloc(16))

describe('what is in a recording', () => {
  it('is the payload of all packets of a pcapng, behind headers of any length', () => {
    const file = fileOf(
      SECTION,
      packetBlock(packet(4, 1000)),
      packetBlock(packet(6, 41)),
      packetBlock(packet(4, 0)),
    )
    expect(storedIn(file, 'pcapng')).toEqual({ bytes: 1041, end: readFileSync(file).length })
  })

  it('is the bodies of all frames of a gogetway recording', () => {
    const file = fileOf(frame('one'), frame(''), frame('three'.repeat(10_000)))
    expect(storedIn(file, 'gogetway')).toEqual({ bytes: 50_003, end: readFileSync(file).length })
  })

  it.each([
    ['pcapng', packetBlock(packet(4, 100)), 100],
    ['gogetway', frame('sixteen letters.'), 16],
  ] as const)('is in %s only what is whole, and goes on from there', (format, record, payload) => {
    for (const cut of [1, 11, 27, 34, 63, record.length - 1].filter((each) => each < record.length)) {
      const file = fileOf(record, record.subarray(0, cut))
      expect(storedIn(file, format)).toEqual({ bytes: payload, end: record.length })
      appendFileSync(file, record.subarray(cut))
      expect(storedIn(file, format, record.length)).toEqual({ bytes: payload, end: 2 * record.length })
    }
  })

  it.each(['pcapng', 'gogetway'] as const)('is not guessed of a file that is no %s', (format) => {
    expect(() => storedIn(fileOf(Buffer.alloc(1000, 'text')), format)).toThrow('a recording')
  })
})

describeWith(['tshark'], 'what is in a pcap', () => {
  it('is as much as tshark says', async () => {
    const { stdout } = await runWell(toolPath('tshark'), ['-r', CAPTURE, '-T', 'fields', '-e', 'tcp.len'])
    const lengths = stdout.toString().trim().split('\n').map(Number)
    const sum = lengths.reduce((all, each) => all + each, 0)
    expect(sum).toBeGreaterThan(0)
    expect(storedIn(CAPTURE, 'pcap')).toEqual({ bytes: sum, end: readFileSync(CAPTURE).length })
  })
})
