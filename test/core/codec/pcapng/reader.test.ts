import { describe, expect, it } from 'vitest'
import { type CaptureRecord, MAX_RECORD_BYTES } from '../../../../src/core/codec/capture.js'
import { createPcapngReader } from '../../../../src/core/codec/pcapng/reader.js'
import { ascii, bytes, concat, type Option, Pcapng, readAll } from '../builders.js'

const little = new Pcapng('little')
const big = new Pcapng('big')
const RAW = 101

const read = (...parts: readonly Uint8Array[]): CaptureRecord[] =>
  readAll(createPcapngReader(), concat(...parts))
const kinds = (records: readonly CaptureRecord[]): string[] => records.map(({ kind }) => kind)
const damageOf = (records: readonly CaptureRecord[]) => {
  const damage = records.filter((record) => record.kind === 'damage')
  expect(damage).toHaveLength(1)
  expect(records.at(-1)).toBe(damage[0])
  return damage[0]
}

const START = concat(little.section(), little.interface(RAW))

describe.each([
  ['little-endian', little],
  ['big-endian', big],
] as const)('a %s section', (_, order) => {
  const file = concat(
    order.section([
      [1, ascii('note')],
      [4, ascii('Tidegate 1')],
    ]),
    order.interface(RAW, [
      [2, ascii('web')],
      [3, ascii('the shop')],
      [9, bytes(9)],
    ]),
    order.interface(1),
    order.packet(0, 1_700_000_000_123_456_789n, ascii('hello'), [
      [1, ascii('one')],
      [2, bytes(0, 0, 0, 0)],
      [1, ascii('zwei ü')],
    ]),
    order.packet(1, 1_700_000_000_123_456n, ascii('hell'), [], { original: 99 }),
    order.obsoletePacket(1, 5n, ascii('old')),
    order.simplePacket(3, ascii('abc')),
  )
  const expected: readonly CaptureRecord[] = [
    { kind: 'section', offset: 0, application: 'Tidegate 1', comments: ['note'] },
    { kind: 'interface', offset: 56, index: 0, linkType: RAW, name: 'web', description: 'the shop' },
    { kind: 'interface', offset: 108, index: 1, linkType: 1, name: undefined, description: undefined },
    {
      kind: 'packet',
      offset: 128,
      timeNs: 1_700_000_000_123_456_789n,
      interfaceIndex: 0,
      linkType: RAW,
      data: ascii('hello'),
      originalLength: 5,
      comments: ['one', 'zwei ü'],
    },
    {
      kind: 'packet',
      offset: 200,
      timeNs: 1_700_000_000_123_456_000n,
      interfaceIndex: 1,
      linkType: 1,
      data: ascii('hell'),
      originalLength: 99,
      comments: [],
    },
    {
      kind: 'packet',
      offset: 236,
      timeNs: 5000n,
      interfaceIndex: 1,
      linkType: 1,
      data: ascii('old'),
      originalLength: 3,
      comments: [],
    },
    {
      kind: 'packet',
      offset: 272,
      timeNs: 0n,
      interfaceIndex: 0,
      linkType: RAW,
      data: ascii('abc'),
      originalLength: 3,
      comments: [],
    },
  ]

  it('is read record by record', () => {
    expect(readAll(createPcapngReader(), file)).toEqual(expected)
  })

  it.each([[[1]], [[7]], [[3, 64, 1]]])('gives the same records in chunks of %j bytes', (sizes) => {
    expect(readAll(createPcapngReader(), file, sizes)).toEqual(expected)
  })

  it('gives the records before any cut, and then says the file is torn where the last one ended', () => {
    for (let cut = 0; cut < file.length; cut += 1) {
      const records = readAll(createPcapngReader(), file.subarray(0, cut))
      const whole = expected.filter((_record, index) => (expected[index + 1]?.offset ?? file.length) <= cut)
      const end = expected[whole.length]?.offset ?? file.length
      expect(records.slice(0, whole.length)).toEqual(whole)
      if (cut === end && cut > 0) expect(records).toHaveLength(whole.length)
      else expect(damageOf(records)).toMatchObject({ offset: end, torn: true })
    }
  })
})

describe('sections', () => {
  it('may change the byte order; interfaces are counted on, but no longer referred to', () => {
    const records = read(START, big.section(), big.interface(1), big.packet(0, 0n, ascii('x')))
    expect(kinds(records)).toEqual(['section', 'interface', 'section', 'interface', 'packet'])
    expect(records.at(-1)).toMatchObject({ interfaceIndex: 1, linkType: 1 })
    expect(damageOf(read(START, big.section(), big.packet(0, 0n, ascii('x'))))).toMatchObject({
      offset: START.length + 28,
      message: expect.stringContaining('interface 0'),
      torn: false,
    })
  })

  it('have a length that is not relied on, but must make sense', () => {
    expect(kinds(read(little.section([], 0n), little.interface(RAW)))).toEqual(['section', 'interface'])
    expect(damageOf(read(little.section([], 3n)))).toMatchObject({
      message: expect.stringContaining('section length 3'),
    })
    expect(damageOf(read(little.section([], -8n)))).toMatchObject({ torn: false })
  })

  it('of another major version are damage', () => {
    const file = little.section()
    file[12] = 2
    expect(damageOf(read(file))?.message).toContain('version 2.0')
  })

  it('must come first, with a byte-order magic', () => {
    expect(damageOf(read(little.interface(RAW)))).toMatchObject({ offset: 0, torn: false })
    expect(damageOf(read(bytes(0x0a, 0x0d)))).toMatchObject({ offset: 0, torn: true })
    expect(damageOf(read(bytes(0x0a, 0x0e)))).toMatchObject({ offset: 0, torn: false })
    const file = little.section()
    file[8] = 0
    expect(damageOf(read(file))?.message).toContain('byte-order magic')
  })
})

describe('timestamps', () => {
  const timeOf = (ticks: bigint, ...options: readonly Option[]): bigint => {
    const record = read(
      little.section(),
      little.interface(RAW, options),
      little.packet(0, ticks, ascii('x')),
    ).at(-1)
    if (record?.kind !== 'packet') throw new Error('no packet')
    return record.timeNs
  }

  it.each([
    [0, 12n, 12_000_000_000n],
    [3, 12n, 12_000_000n],
    [6, 12n, 12_000n],
    [9, 12n, 12n],
    [12, 12_345n, 12n],
    [127, 2n ** 64n - 1n, 0n],
    [0x80, 3n, 3_000_000_000n],
    [0x8a, 1536n, 1_500_000_000n],
    [0xa0, 2n ** 33n, 2_000_000_000n],
    [0xff, 2n ** 64n - 1n, 0n],
  ])('with if_tsresol %i count %i as %i ns', (resolution, ticks, ns) => {
    expect(timeOf(ticks, [9, bytes(resolution)])).toBe(ns)
  })

  it('of every resolution, of 10 and of 2, agree with exact arithmetic', () => {
    const latest = 2n ** 63n - 1n
    for (let resolution = 0; resolution < 256; resolution++) {
      const exponent = BigInt(resolution & 0x7f)
      const perSecond = resolution & 0x80 ? 2n ** exponent : 10n ** exponent
      for (const ticks of [0n, 1n, 999_999_937n, 2n ** 40n + 3n, 2n ** 64n - 1n]) {
        const ns = (ticks * 1_000_000_000n) / perSecond
        expect([resolution, ticks, timeOf(ticks, [9, bytes(resolution)])]).toEqual([
          resolution,
          ticks,
          ns > latest ? latest : ns,
        ])
      }
    }
  })

  it('are microseconds by default, and count from if_tsoffset, which may be negative', () => {
    expect(timeOf(7n)).toBe(7000n)
    expect(timeOf(7n, [14, little.i64(1000n)])).toBe(1_000_000_007_000n)
    expect(timeOf(7n, [14, little.i64(-1n)])).toBe(-999_993_000n)
  })

  it('stay within 64 bits, so that whatever is made of them works', () => {
    expect(timeOf(2n ** 64n - 1n, [9, bytes(0)])).toBe(2n ** 63n - 1n)
    expect(timeOf(0n, [14, little.i64(-(2n ** 63n))])).toBe(-(2n ** 63n))
  })

  it('of a resolution that is not one byte are damage', () => {
    const file = [little.section(), little.interface(RAW, [[9, bytes(9, 9)]])]
    expect(damageOf(read(...file))?.message).toContain('if_tsresol')
    expect(damageOf(read(little.section(), little.interface(RAW, [[14, bytes(1)]])))?.message).toContain(
      'if_tsoffset',
    )
  })
})

describe('blocks nobody looks into', () => {
  it('are passed over, whatever their type', () => {
    const blocks = [4, 5, 10, 0x0bad, 0x40000bad, 0x7fffffff].map((type) =>
      little.block(type, ascii('12345678')),
    )
    const records = read(START, ...blocks, little.block(77, bytes()), little.packet(0, 0n, ascii('x')))
    expect(kinds(records)).toEqual(['section', 'interface', 'packet'])
  })

  it('may be longer than what is buffered', () => {
    const long = little.block(5, new Uint8Array(MAX_RECORD_BYTES + 4))
    const file = concat(START, long, little.packet(0, 0n, ascii('x')))
    expect(kinds(readAll(createPcapngReader(), file, [65_536]))).toEqual(['section', 'interface', 'packet'])
  })

  it('have their trailing length checked too', () => {
    const file = concat(
      START,
      little.block(5, ascii('1234'), { trailing: 20 }),
      little.packet(0, 0n, ascii('x')),
    )
    expect(damageOf(readAll(createPcapngReader(), file, [1]))).toMatchObject({
      offset: START.length,
      torn: false,
    })
  })

  it('that end with the file are torn, unless so long that the length itself must be damaged', () => {
    const cut = (leading: number) => damageOf(read(START, little.block(5, ascii('1234'), { leading })))
    expect(cut(64)).toMatchObject({ offset: START.length, torn: true })
    expect(cut(0xfffffffc)).toMatchObject({ offset: START.length, torn: false })
  })
})

describe('damage', () => {
  const packet = little.packet(0, 0n, ascii('x'))
  it.each([
    ['a length that is not a multiple of 4', little.block(6, new Uint8Array(24), { leading: 37 }), '37'],
    ['a length below the least', little.block(5, ascii('1234'), { leading: 8 }), 'at least 12'],
    ['a packet block without room for its fields', little.block(6, new Uint8Array(16)), 'at least 32'],
    [
      'a packet block of gigabytes',
      little.block(6, new Uint8Array(24), { leading: 0xfffffffc }),
      '4294967292',
    ],
    [
      'a trailing length that differs',
      little.block(6, new Uint8Array(24), { trailing: 40 }),
      'trailing length of 40',
    ],
    [
      'a packet longer than its block',
      little.packet(0, 0n, ascii('x'), [], { captured: 5 }),
      'captured length 5',
    ],
    [
      'a captured length of gigabytes',
      little.packet(0, 0n, ascii('x'), [], { captured: 0xffffffff }),
      '4294967295',
    ],
    ['a simple packet longer than its block', little.simplePacket(9, ascii('abc')), 'captured length 9'],
    ['a packet of an interface that is not there', little.packet(1, 0n, ascii('x')), 'interface 1'],
    [
      'an option longer than its block',
      little.block(6, concat(new Uint8Array(20), bytes(1, 0, 9, 0))),
      'option 1',
    ],
  ])('is %s: it is told once, with its place, and ends the reading', (_, bad, message) => {
    const file = concat(START, packet, bad, packet)
    for (const sizes of [[file.length], [1], [9]]) {
      const records = readAll(createPcapngReader(), file, sizes)
      expect(kinds(records)).toEqual(['section', 'interface', 'packet', 'damage'])
      expect(damageOf(records)).toMatchObject({ offset: START.length + packet.length, torn: false })
      expect(damageOf(records)?.message).toContain(message)
    }
  })

  it('shows in the fixed part of a packet block, even when the file ends inside it', () => {
    const bad = little.packet(0, 0n, ascii('x'), [], { captured: 500 }).subarray(0, 30)
    expect(damageOf(read(START, bad))).toMatchObject({ torn: false })
  })

  it('is only torn when zeros follow to the end of the file, from a block or from within one', () => {
    const zeros = new Uint8Array(50)
    expect(damageOf(read(START, packet, zeros))).toMatchObject({
      offset: START.length + packet.length,
      torn: true,
    })
    const half = concat(packet.subarray(0, 28), new Uint8Array(100))
    expect(damageOf(read(START, packet, half))).toMatchObject({
      offset: START.length + packet.length,
      torn: true,
    })
    expect(damageOf(read(START, packet, zeros, packet))).toMatchObject({ torn: false })
  })

  it('is only torn in an empty file', () => {
    expect(read()).toEqual([{ kind: 'damage', offset: 0, message: 'the file is empty', torn: true }])
  })

  it('is a section of more interfaces than are kept in mind', () => {
    const one = little.interface(RAW)
    const many = new Uint8Array(one.length * 65_537)
    for (let at = 0; at < many.length; at += one.length) many.set(one, at)
    const records = read(little.section(), many)
    expect(records).toHaveLength(65_538)
    expect(damageOf(records)?.message).toContain('interfaces')
  })
})

describe('simple packets', () => {
  it('are cut at the snapshot length of interface 0', () => {
    const records = read(little.section(), little.interface(RAW, [], 3), little.simplePacket(9, ascii('abc')))
    expect(records.at(-1)).toMatchObject({ data: ascii('abc'), originalLength: 9, timeNs: 0n })
  })

  it('need an interface', () => {
    expect(damageOf(read(little.section(), little.simplePacket(1, ascii('a'))))?.message).toContain(
      'interface 0',
    )
  })
})

describe('memory', () => {
  it('does not grow on the word of a length field', () => {
    const claim = concat(START, little.block(6, new Uint8Array(24), { leading: MAX_RECORD_BYTES }))
    const before = process.memoryUsage().arrayBuffers
    const readers = Array.from({ length: 64 }, () => {
      const reader = createPcapngReader()
      for (const record of reader.push(claim)) expect(record.kind).not.toBe('damage')
      return reader
    })
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(readers.length * 64 * 1024)
  })

  it('leaves the bytes of a packet within one chunk where they are', () => {
    const file = concat(START, little.packet(0, 0n, ascii('x')))
    const found = [...createPcapngReader().push(file)].at(-1)
    expect(found?.kind === 'packet' && found.data.buffer === file.buffer).toBe(true)
  })

  it('gathers a large packet that comes byte by byte without copying it again for each', () => {
    const data = new Uint8Array(512 * 1024).fill(7)
    const file = concat(START, little.packet(0, 0n, data))
    const records = readAll(createPcapngReader(), file, [1])
    expect(records.at(-1)).toMatchObject({ kind: 'packet', originalLength: data.length })
  })
})

it('a chunk whose records are not all taken is not lost silently', () => {
  const reader = createPcapngReader()
  for (const _ of reader.push(START)) break
  expect(() => [...reader.push(START)]).toThrow(/must be read/)
})
