/**
 * Hostile files: valid ones with bytes flipped, inserted, deleted, length fields overwritten, cut, and fed in any
 * chunks, through the readers and through reassembly. Whatever comes, there is no throw, no hang, no record that is not
 * backed by bytes, and no memory beyond the stated bound.
 */

import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CaptureFormat, type CaptureRecord, MAX_RECORD_BYTES } from '../../src/core/codec/capture.js'
import { createCaptureReader, detectFormat } from '../../src/core/codec/detect.js'
import { encodeGogetwayFrame } from '../../src/core/codec/gogetway/frame.js'
import type { ConversationEvent } from '../../src/core/conversation.js'
import { createFrameConversations } from '../../src/core/reassembly/frames.js'
import { createPacketConversations } from '../../src/core/reassembly/packets.js'
import { encodeAnnotation } from '../../src/core/record/annotation.js'
import { ascii, bytes, concat, kept, Pcap, Pcapng, readAll } from '../core/codec/builders.js'
import { ip } from '../core/reassembly/builders.js'

const annotated = (order: Pcapng): Uint8Array => {
  const lost = [{ at: 3, length: 2, why: 'ENOSPC' }]
  const close = encodeAnnotation({
    kind: 'close',
    id: 1,
    reason: 'killed',
    upstream: { seen: 7, stored: 5, lost },
    downstream: { seen: 0, stored: 0, lost: [] },
  })
  const open = encodeAnnotation({ kind: 'open', id: 1, listener: 'web', client: 'unix:', server: 'unix:/s' })
  const gap = encodeAnnotation({ kind: 'gap', direction: 'upstream', at: 3, length: 2, why: 'ENOSPC' })
  return concat(
    order.section([[4, ascii('Tidegate')]]),
    order.interface(101, [
      [2, ascii('web')],
      [9, bytes(9)],
    ]),
    order.packet(0, 1n, ip({ flags: 'S', seq: 9 }), [[1, ascii(open)]]),
    order.packet(0, 2n, ip({ seq: 10, data: 'abc' })),
    order.block(5, ascii('statistics..')),
    order.packet(0, 3n, ip({ seq: 15, data: 'fg' }), [[1, ascii(gap)]]),
    order.simplePacket(41, ip({ seq: 20, data: 'z' })),
    order.obsoletePacket(0, 5n, ip({ flags: 'FA', seq: 17 })),
    order.packet(0, 6n, ip({ flags: 'RA', seq: 18 }), [[1, ascii(close)]]),
  )
}

const pcap = (order: Pcap): Uint8Array =>
  concat(
    order.header(101),
    order.packet(1, 2, ip({ flags: 'S', seq: 9 })),
    order.packet(1, 3, ip({ seq: 12, data: 'cd' })),
    order.packet(1, 4, ip({ seq: 10, data: 'ab' })),
    order.packet(1, 5, ip({ flags: 'FA', seq: 14 })),
  )

const frames = concat(
  ...['hello\nt', '', '--benbens--\nt', '\n\n\nt', 'bye'].map((body, index) =>
    encodeGogetwayFrame({
      timeNs: BigInt(index),
      type: 1,
      from: index % 2 ? 'b' : 'a',
      to: index % 2 ? 'a' : 'b',
      body: ascii(body),
    }),
  ),
)

const captures = new URL('../fixtures/captures/', import.meta.url)
const fixtures = readdirSync(captures).map((name) => new Uint8Array(readFileSync(new URL(name, captures))))

const FILES: readonly Uint8Array[] = [
  annotated(new Pcapng('little')),
  annotated(new Pcapng('big')),
  concat(annotated(new Pcapng('little')), annotated(new Pcapng('big'))),
  pcap(new Pcap('little')),
  pcap(new Pcap('big')),
  frames,
  ...fixtures,
]

const formatOf = (file: Uint8Array): CaptureFormat => {
  const format = detectFormat(file)
  if (format === null || format === 'more') throw new Error('a test file is of no format')
  return format
}

/** By number, so that a counterexample names it. */
const anyFile = fc.nat(FILES.length - 1).map((index) => ({ index, file: FILES[index] ?? new Uint8Array(0) }))

type Mutation = (file: Uint8Array) => Uint8Array

const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const at = (file: Uint8Array, where: number, align = 1): number =>
  Math.floor((where * file.length) / align) * align

const replaced = (file: Uint8Array, from: number, to: number, by: Uint8Array): Uint8Array =>
  concat(file.subarray(0, from), by, file.subarray(to))

const word = fc.oneof(
  fc.constantFrom(
    0,
    1,
    3,
    4,
    8,
    11,
    12,
    16,
    28,
    32,
    33,
    0xff,
    0xffff,
    0x7fffffff,
    0x80000000,
    0xfffffffc,
    0xffffffff,
  ),
  fc.constantFrom(MAX_RECORD_BYTES - 4, MAX_RECORD_BYTES, MAX_RECORD_BYTES + 4),
  fc.nat(0xffff),
)

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(place, fc.nat(7)).map(
    ([where, bit]): Mutation =>
      (file) => {
        const index = at(file, where)
        return replaced(file, index, index + 1, Uint8Array.of((file[index] ?? 0) ^ (1 << bit)))
      },
  ),
  fc.tuple(place, fc.uint8Array({ minLength: 1, maxLength: 20 })).map(
    ([where, some]): Mutation =>
      (file) =>
        replaced(file, at(file, where), at(file, where), some),
  ),
  fc.tuple(place, fc.integer({ min: 1, max: 40 })).map(
    ([where, count]): Mutation =>
      (file) =>
        replaced(file, at(file, where), at(file, where) + count, new Uint8Array(0)),
  ),
  fc.tuple(place, word, fc.boolean()).map(
    ([where, value, little]): Mutation =>
      (file) => {
        const field = new Uint8Array(4)
        new DataView(field.buffer).setUint32(0, value, little)
        const index = at(file, where, 4)
        return replaced(file, index, index + 4, field)
      },
  ),
  place.map(
    (where): Mutation =>
      (file) =>
        file.subarray(0, at(file, where)),
  ),
  fc.tuple(place, place).map(
    ([from, to]): Mutation =>
      (file) => {
        const [first, last] = [at(file, Math.min(from, to), 4), at(file, Math.max(from, to), 4)]
        return replaced(file, last, last, file.slice(first, last))
      },
  ),
)

const hostile = fc
  .tuple(anyFile, fc.array(mutation, { minLength: 1, maxLength: 4 }))
  .map(([{ file }, mutations]) => ({
    format: formatOf(file),
    file: mutations.reduce((bad, mutate) => mutate(bad), file),
  }))

const sizes = fc.array(fc.integer({ min: 1, max: 600 }), { minLength: 1, maxLength: 6 })

const eventsOf = (format: CaptureFormat, records: readonly CaptureRecord[]): ConversationEvent[] => {
  const reader = format === 'gogetway' ? createFrameConversations() : createPacketConversations()
  return [...records.flatMap((record) => [...reader.push(record)]), ...reader.end()]
}

/** What every list of records must satisfy, whatever the file. */
const checkRecords = (records: readonly CaptureRecord[], file: Uint8Array): void => {
  expect(records.length).toBeLessThanOrEqual(file.length / 16 + 3)
  expect(records.slice(0, -1).some(({ kind }) => kind === 'damage')).toBe(false)
  let before = 0
  for (const record of records) {
    expect(record.offset).toBeGreaterThanOrEqual(before)
    expect(record.offset).toBeLessThanOrEqual(file.length)
    before = record.offset
    if (record.kind === 'packet') expect(record.data.length).toBeLessThanOrEqual(file.length - record.offset)
    if (record.kind === 'frame') expect(record.body.length).toBeLessThanOrEqual(file.length - record.offset)
    if (record.kind === 'damage') expect(record.message).not.toContain('\n')
  }
}

/** What every list of events must satisfy: connections are opened once, first, and each stream has no overlap and no silent hole. */
const checkEvents = (events: readonly ConversationEvent[]): void => {
  const positions = new Map<string, number>()
  const fins = new Set<string>()
  const open = new Set<number>()
  for (const event of events) {
    if (event.kind === 'open') {
      expect(event.connection).toBe(open.size + 1)
      open.add(event.connection)
    } else expect(open.has(event.connection)).toBe(true)
    if (event.kind === 'open' || event.kind === 'close' || event.kind === 'continue') continue
    const stream = `${event.connection} ${event.direction}`
    expect(fins.has(stream)).toBe(false)
    if (event.kind === 'fin') {
      fins.add(stream)
      continue
    }
    const length = event.kind === 'gap' ? event.length : event.bytes.length
    expect(length).toBeGreaterThan(0)
    if (positions.has(stream)) expect(event.at).toBe(positions.get(stream))
    positions.set(stream, event.at + length)
  }
}

describe('a mutated file', () => {
  it('never makes a reader or reassembly throw, nor tell what cannot be', () => {
    fc.assert(
      fc.property(hostile, sizes, ({ format, file }, chunks) => {
        const records = readAll(createCaptureReader(format), file, chunks)
        checkRecords(records, file)
        checkEvents(eventsOf(format, records))
      }),
      { numRuns: 1500 },
    )
  })

  it('is read the same however it is split', () => {
    fc.assert(
      fc.property(hostile, sizes, ({ format, file }, chunks) => {
        const whole = readAll(createCaptureReader(format), file)
        expect(readAll(createCaptureReader(format), file, chunks)).toEqual(whole)
      }),
      { numRuns: 500 },
    )
  })

  it('gives the records before the first mutated byte as the whole file does', () => {
    fc.assert(
      fc.property(anyFile, place, fc.uint8Array({ maxLength: 60 }), ({ file }, where, tail) => {
        const cut = at(file, where)
        const format = formatOf(file)
        const whole = readAll(createCaptureReader(format), file)
        const bad = readAll(createCaptureReader(format), concat(file.subarray(0, cut), tail))
        // A gogetway frame counts once what follows it is seen, so the last one before the cut may be given up.
        const endOf = (record: CaptureRecord): number =>
          whole.find(({ offset }) => offset > record.offset)?.offset ?? file.length
        const count = whole.filter((record) => endOf(record) <= cut).length - (format === 'gogetway' ? 1 : 0)
        expect(bad.slice(0, Math.max(0, count))).toEqual(whole.slice(0, Math.max(0, count)))
      }),
      { numRuns: 500 },
    )
  })
})

describe('a cut file', () => {
  it('gives exactly the leading records of the whole one, and is torn unless cut between records', () => {
    for (const file of FILES.slice(0, 6)) {
      const format = formatOf(file)
      const whole = readAll(createCaptureReader(format), file)
      for (let cut = 0; cut < file.length; cut += 1) {
        const found = readAll(createCaptureReader(format), file.subarray(0, cut), [97])
        const damage = found.at(-1)
        const leading = damage?.kind === 'damage' ? found.slice(0, -1) : found
        expect(leading).toEqual(whole.slice(0, leading.length))
        if (damage?.kind === 'damage') expect(damage.torn).toBe(true)
        // What is left after cutting where the damage is told is whole.
        const end = damage?.kind === 'damage' ? damage.offset : cut
        if (end > 0) expect(readAll(createCaptureReader(format), file.subarray(0, end))).toEqual(leading)
      }
    }
  })
})

describe('memory', () => {
  const grown = (from: number): number => process.memoryUsage().arrayBuffers - from

  const feed = (format: CaptureFormat, head: Uint8Array, chunk: Uint8Array, times: number): number => {
    const reader = createCaptureReader(format)
    const before = process.memoryUsage().arrayBuffers
    let most = 0
    for (const record of reader.push(head)) kept(record)
    for (let index = 0; index < times; index += 1) {
      for (const record of reader.push(chunk)) kept(record)
      most = Math.max(most, grown(before))
    }
    return most
  }

  // While it grows there are two carries for a moment, and the collector may be a few behind.
  const BOUND = 4 * MAX_RECORD_BYTES
  const order = new Pcapng('little')
  const start = concat(order.section(), order.interface(101))
  const filler = new Uint8Array(1024 * 1024).fill(0x41)

  it.each([
    ['a packet block of 4 GiB', 'pcapng', concat(start, order.block(6, bytes(), { leading: 0xfffffffc }))],
    ['a packet block as long as may be', 'pcapng', concat(start, order.u32(6), order.u32(MAX_RECORD_BYTES))],
    ['an unknown block of 4 GiB', 'pcapng', concat(start, order.u32(99), order.u32(0xfffffffc))],
    [
      'a pcap packet of 4 GiB',
      'pcap',
      concat(new Pcap('little').header(1), order.u32(1), order.u32(1), order.u32(0xffffffff), order.u32(1)),
    ],
    [
      'a pcap packet as long as may be',
      'pcap',
      concat(
        new Pcap('little').header(1),
        order.u32(1),
        order.u32(1),
        order.u32(MAX_RECORD_BYTES),
        order.u32(1),
      ),
    ],
    [
      'a frame as long as may be',
      'gogetway',
      concat(
        ascii('--benbens--\ntTTTTTTTT'),
        bytes(1),
        order.i64(BigInt(MAX_RECORD_BYTES)),
        ascii('a...b\n'),
      ),
    ],
    [
      'a frame whose addresses never end',
      'gogetway',
      concat(ascii('--benbens--\ntTTTTTTTT'), bytes(1), order.i64(5n)),
    ],
  ] as const)('stays bounded for %s, with 64 MiB behind it', (_, format, head) => {
    expect(feed(format, head, filler, 64)).toBeLessThan(BOUND)
  })

  it('stays bounded when a thousand connections hold bytes back behind holes', () => {
    const reader = createPacketConversations()
    const data = new Uint8Array(60_000)
    const before = process.memoryUsage().arrayBuffers
    let gaps = 0
    for (let round = 0; round < 4; round += 1)
      for (let index = 0; index < 1000; index += 1) {
        const from = [[10, 0, index >> 8, index & 255], 1024] as const
        const packets = [ip({ from, flags: 'S', seq: 0 }), ip({ from, seq: 100 + round * 70_000, data })]
        for (const packet of packets)
          for (const event of reader.push({
            kind: 'packet',
            offset: 0,
            timeNs: 0n,
            interfaceIndex: 0,
            linkType: 101,
            data: packet,
            originalLength: packet.length,
            comments: [],
          }))
            gaps += event.kind === 'gap' ? 1 : 0
      }
    expect(gaps).toBeGreaterThan(0)
    // 64 MiB held, and as much that waits for the collector.
    expect(grown(before)).toBeLessThan(192 * 1024 * 1024)
  })
})
