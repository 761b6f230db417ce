import { describe, expect, it } from 'vitest'
import { MAX_RECORD_BYTES } from '../../../../src/core/codec/capture.js'
import { createPcapReader } from '../../../../src/core/codec/pcap/reader.js'
import { ascii, bytes, concat, Pcap, readAll } from '../builders.js'

const little = new Pcap('little')
const big = new Pcap('big')
const read = (...parts: readonly Uint8Array[]) => readAll(createPcapReader(), concat(...parts))

describe.each([
  ['little-endian', little],
  ['big-endian', big],
] as const)('a %s file', (_, order) => {
  const file = concat(
    order.header(1),
    order.packet(1_700_000_000, 5, ascii('hello')),
    order.packet(2, 6, ascii('hi'), 70),
  )
  const expected = [
    { kind: 'section', offset: 0, application: undefined, comments: [] },
    { kind: 'interface', offset: 0, index: 0, linkType: 1, name: undefined, description: undefined },
    {
      kind: 'packet',
      offset: 24,
      timeNs: 1_700_000_000_000_005_000n,
      interfaceIndex: 0,
      linkType: 1,
      data: ascii('hello'),
      originalLength: 5,
      comments: [],
    },
    {
      kind: 'packet',
      offset: 45,
      timeNs: 2_000_006_000n,
      interfaceIndex: 0,
      linkType: 1,
      data: ascii('hi'),
      originalLength: 70,
      comments: [],
    },
  ]

  it.each([[[1000]], [[1]], [[5, 17]]])('is read the same in chunks of %j bytes', (sizes) => {
    expect(readAll(createPcapReader(), file, sizes)).toEqual(expected)
  })

  it('cut anywhere gives the records before the cut, and is torn', () => {
    for (let cut = 0; cut < file.length; cut += 1) {
      const records = readAll(createPcapReader(), file.subarray(0, cut))
      const whole = cut < 24 ? 0 : cut < 45 ? 2 : 3
      expect(records.slice(0, whole)).toEqual(expected.slice(0, whole))
      if (cut === 24 || cut === 45) expect(records).toHaveLength(whole)
      else
        expect(records.slice(whole)).toMatchObject([
          { kind: 'damage', torn: true, offset: [0, 0, 24, 45][whole] },
        ])
    }
  })

  it('with the nanosecond magic has its times in nanoseconds', () => {
    const records = read(order.header(1, 0xa1b23c4d), order.packet(1, 999_999_999, ascii('x')))
    expect(records.at(-1)).toMatchObject({ timeNs: 1_999_999_999n })
  })
})

it('the frame check sequence bits beside the link type are masked', () => {
  expect(read(little.header(0x4400_0001)).at(-1)).toMatchObject({ kind: 'interface', linkType: 1 })
})

it('a packet longer than the snapshot length is read all the same', () => {
  const long = ascii('x'.repeat(500))
  expect(read(little.header(1), little.packet(1, 0, long)).at(-1)).toMatchObject({
    kind: 'packet',
    data: long,
  })
})

it.each([
  ["the 'modified' format", concat(little.header(1, 0xa1b2cd34)), 'not supported'],
  ['another magic', concat(little.header(1, 0x12345678)), 'not a pcap'],
  ['another version', concat(little.header(1, 0xa1b2c3d4, 3)), 'version 3'],
  ['a wrong first byte', bytes(0x50), 'not a pcap'],
])('%s is damage from the start', (_, file, message) => {
  expect(read(file)).toEqual([
    { kind: 'damage', offset: 0, message: expect.stringContaining(message), torn: false },
  ])
})

it('a packet that claims gigabytes is damage, without waiting for them', () => {
  const claim = concat(little.u32(1), little.u32(0), little.u32(MAX_RECORD_BYTES + 1), little.u32(60))
  expect(read(little.header(1), little.packet(1, 0, ascii('x')), claim).at(-1)).toMatchObject({
    kind: 'damage',
    offset: 41,
    torn: false,
  })
})

it('zeros to the end are torn, zeros with something behind them damage', () => {
  const start = concat(little.header(1), little.packet(1, 0, ascii('x')))
  expect(read(start, new Uint8Array(40)).at(-1)).toMatchObject({ kind: 'damage', offset: 41, torn: true })
  expect(read(start, new Uint8Array(40), bytes(1)).at(-1)).toMatchObject({
    kind: 'damage',
    offset: 41,
    torn: false,
  })
})
