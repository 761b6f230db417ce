import { describe, expect, it } from 'vitest'
import {
  CopyWriter,
  splitNanoseconds,
  storableText,
  uuidBytes,
} from '../../../../src/core/codec/postgres/copy.js'

const joined = (parts: readonly Uint8Array[]): Buffer => Buffer.concat(parts)
const HEADER = Buffer.from('5047434f50590aff0d0a000000000000000000', 'hex')

/** One row of what `write` writes, without header and trailer, in hex. */
const fields = (count: number, write: (writer: CopyWriter) => void): string => {
  const writer = new CopyWriter()
  writer.row(count)
  write(writer)
  const bytes = joined(writer.end())
  expect(bytes.subarray(0, HEADER.length)).toEqual(HEADER)
  expect(bytes.subarray(-2).toString('hex')).toBe('ffff')
  return bytes.subarray(HEADER.length, -2).toString('hex')
}

describe('a binary COPY', () => {
  it('without rows is a header and a trailer', () => {
    expect(joined(new CopyWriter().end())).toEqual(Buffer.concat([HEADER, Buffer.from('ffff', 'hex')]))
  })

  it('has each type in its binary form', () => {
    expect(fields(1, (w) => w.null())).toBe('0001ffffffff')
    expect(fields(1, (w) => w.int2(-2))).toBe('000100000002fffe')
    expect(fields(2, (w) => [w.bool(true), w.bool(false)])).toBe('000200000001010000000100')
    expect(fields(1, (w) => w.text('añ'))).toBe('00010000000361c3b1')
    expect(fields(1, (w) => w.text(''))).toBe('000100000000')
    expect(fields(1, (w) => w.bytes(Uint8Array.of(0, 255)))).toBe('00010000000200ff')
    expect(fields(1, (w) => w.jsonb({ a: 1 }))).toBe('000100000008017b2261223a317d')
    expect(fields(1, (w) => w.inet(Uint8Array.of(10, 0, 0, 1)))).toBe('000100000008022000040a000001')
    const ipv6 = new Uint8Array(16).fill(0, 0, 15).fill(1, 15)
    expect(fields(1, (w) => w.inet(ipv6))).toBe(`00010000001403800010${'00'.repeat(15)}01`)
  })

  it.each([
    0,
    1,
    -1,
    255,
    2 ** 31,
    2 ** 32,
    2 ** 32 - 1,
    -(2 ** 32),
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
  ])('has the bigint %d', (value) => {
    const expected = Buffer.alloc(8)
    expected.writeBigInt64BE(BigInt(value))
    expect(fields(1, (w) => w.int8(value))).toBe(`000100000008${expected.toString('hex')}`)
  })

  it('counts times from 2000, and stays within what the type can hold', () => {
    const time = (us: bigint): bigint =>
      BigInt.asIntN(64, BigInt(`0x${fields(1, (w) => w.timestamp(us)).slice(12)}`))
    expect(time(946_684_800_000_000n)).toBe(0n)
    expect(time(0n)).toBe(-946_684_800_000_000n)
    expect(time(2n ** 70n)).toBe(9_223_371_331_199_999_999n)
    expect(time(-(2n ** 70n))).toBe(-211_813_488_000_000_000n)
  })

  it('gives out blocks on the way, and values longer than a block whole', () => {
    const writer = new CopyWriter()
    const long = Uint8Array.from({ length: 1_000_003 }, (_, index) => index * 7)
    const parts: Uint8Array[] = []
    for (let row = 0; row < 3; row++) {
      writer.row(2)
      writer.int8(row)
      writer.bytes(long)
      parts.push(...writer.blocks())
    }
    expect(parts.length).toBeGreaterThan(15)
    parts.push(...writer.end())
    const row = (n: number): Buffer => {
      const head = Buffer.alloc(18)
      head.writeInt16BE(2, 0)
      head.writeInt32BE(8, 2)
      head.writeBigInt64BE(BigInt(n), 6)
      head.writeInt32BE(long.length, 14)
      return Buffer.concat([head, long])
    }
    const expected = Buffer.concat([HEADER, row(0), row(1), row(2), Buffer.from('ffff', 'hex')])
    expect(joined(parts).equals(expected)).toBe(true)
  })
})

describe('what goes into columns', () => {
  it('has no NUL and no half of a pair', () => {
    expect(storableText('unix:\0a\0')).toBe('unix:\u2400a\u2400')
    expect(storableText('a\ud800b\udc00c')).toBe('a\ufffdb\ufffdc')
    expect(storableText('plain 😀')).toBe('plain 😀')
  })

  it('splits nanoseconds, before 1970 as well', () => {
    expect(splitNanoseconds(1_234_567n)).toEqual({ us: 1234n, ns: 567 })
    expect(splitNanoseconds(0n)).toEqual({ us: 0n, ns: 0 })
    expect(splitNanoseconds(-1n)).toEqual({ us: -1n, ns: 999 })
  })

  it('reads UUIDs, and nothing else as one', () => {
    expect(Buffer.from(uuidBytes('01234567-89AB-cdef-0123-456789abcdef')!).toString('hex')).toBe(
      '0123456789abcdef0123456789abcdef',
    )
    for (const text of ['', 'x', '0123456789abcdef0123456789abcdef', '01234567-89ab-cdef-0123-456789abcdeg'])
      expect(uuidBytes(text)).toBe(null)
  })
})
