import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { CaptureRecord } from '../../../../src/core/codec/capture.js'
import { createPcapngReader } from '../../../../src/core/codec/pcapng/reader.js'
import {
  beginPacket,
  encodeSectionStart,
  encodeText,
  endPacket,
  MAX_NAME_BYTES,
  packetBlockLength,
} from '../../../../src/core/codec/pcapng/writer.js'

const START = encodeSectionStart('tidegate 0.1.0', [
  { linkType: 101, name: 'redis', description: '127.0.0.1:6379' },
  { linkType: 101, name: 'web', description: '' },
])

const packet = (timeMs: number, data: Uint8Array, comments: readonly string[] = []): Uint8Array => {
  const encoded = comments.map((comment) => encodeText(comment))
  const bytes = new Uint8Array(packetBlockLength(data.length, encoded)).fill(0xee)
  const view = new DataView(bytes.buffer)
  bytes.set(data, beginPacket(view, 0, 1, timeMs, data.length))
  expect(endPacket(view, 0, data.length, encoded)).toBe(bytes.length)
  return bytes
}

/** Copies: a record's data is valid only until the next is asked for. */
const read = (...parts: readonly Uint8Array[]): CaptureRecord[] => {
  const reader = createPcapngReader()
  const records: CaptureRecord[] = []
  for (const part of parts)
    for (const record of reader.push(part))
      records.push(record.kind === 'packet' ? { ...record, data: record.data.slice() } : record)
  records.push(...reader.end())
  return records
}

test('a section starts with the application and one interface per listener, as the draft lays them out', () => {
  const view = new DataView(START.buffer)
  expect(view.getUint32(0, true)).toBe(0x0a0d0d0a)
  expect(view.getUint32(8, true)).toBe(0x1a2b3c4d)
  expect(view.getBigInt64(16, true)).toBe(-1n)
  expect(read(START)).toMatchObject([
    { kind: 'section', application: 'tidegate 0.1.0' },
    { kind: 'interface', index: 0, linkType: 101, name: 'redis', description: '127.0.0.1:6379' },
    { kind: 'interface', index: 1, linkType: 101, name: 'web', description: undefined },
  ])
})

test('a packet reads back with its time, interface, bytes and comments', () => {
  const data = Uint8Array.of(1, 2, 3, 4, 5)
  const records = read(START, packet(1_700_000_000_123.5, data, ['first', 'zwei ☕']))
  expect(records[3]).toEqual({
    kind: 'packet',
    offset: START.length,
    timeNs: 1_700_000_000_123_500_000n,
    interfaceIndex: 1,
    linkType: 101,
    data,
    originalLength: 5,
    comments: ['first', 'zwei ☕'],
  })
})

test('padding is zero whatever was in the memory before', () => {
  const bytes = packet(0, Uint8Array.of(7), ['x'])
  expect([...bytes.subarray(28, 32)]).toEqual([7, 0, 0, 0])
  expect([...bytes.subarray(36, 40)]).toEqual([120, 0, 0, 0])
})

test('any packet with any comments reads back as it was', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(fc.string({ maxLength: 50, unit: 'binary' }), { maxLength: 4 }),
      (data, comments) => {
        expect(read(START, packet(1, data, comments))[3]).toMatchObject({ data, comments })
      },
    ),
  )
})

test('times are exact to the nanosecond the millisecond float stands for', () => {
  const exactNs = (timeMs: number): bigint => {
    const whole = Math.floor(timeMs)
    return BigInt(whole) * 1_000_000n + BigInt(Math.floor((timeMs - whole) * 1_000_000))
  }
  fc.assert(
    fc.property(fc.double({ min: 0, max: 4e12, noNaN: true }), (timeMs) => {
      const view = new DataView(packet(timeMs, new Uint8Array(0)).buffer)
      const timeNs = (BigInt(view.getUint32(12, true)) << 32n) | BigInt(view.getUint32(16, true))
      expect(timeNs).toBe(exactNs(timeMs))
    }),
    { numRuns: 2000 },
  )
})

test('a text longer than an option is cut between characters', () => {
  expect(encodeText('aé', 2)).toEqual(new TextEncoder().encode('a'))
  expect(encodeText('aé', 3)).toEqual(new TextEncoder().encode('aé'))
  expect(encodeText('☕'.repeat(30_000)).length).toBe(65_535)
})

test('an interface name of any length makes a readable section', () => {
  const start = encodeSectionStart('x'.repeat(100_000), [
    { linkType: 101, name: 'n'.repeat(1000), description: 'd' },
  ])
  expect(read(start)).toMatchObject([{ kind: 'section' }, { name: 'n'.repeat(MAX_NAME_BYTES) }])
})
