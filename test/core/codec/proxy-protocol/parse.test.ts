import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeProxyHeader } from '../../../../src/core/codec/proxy-protocol/encode.js'
import { MAX_PROXY_HEADER_BYTES } from '../../../../src/core/codec/proxy-protocol/header.js'
import { parseProxyHeader } from '../../../../src/core/codec/proxy-protocol/parse.js'
import { ascii, INET_BLOCK, tlv, u16, V2_SIGNATURE, v2, withChecksum } from './builders.js'

const parseText = (text: string) => parseProxyHeader(ascii(text))

const whyOf = (bytes: Uint8Array): string => {
  const parsed = parseProxyHeader(bytes)
  return parsed.kind === 'invalid' ? parsed.why : parsed.kind
}

/** What it says first, of bytes that come one at a time. */
const parseByteAtATime = (bytes: Uint8Array) => {
  for (let length = 0; length <= bytes.length; length++) {
    const parsed = parseProxyHeader(bytes.subarray(0, length))
    if (parsed.kind !== 'need_more') return parsed
  }
  return { kind: 'need_more' as const }
}

const unixBlock = (source: string, destination: string): readonly number[] => {
  const bytes = new Uint8Array(216)
  bytes.set(Buffer.from(source), 0)
  bytes.set(Buffer.from(destination), 108)
  return [...bytes]
}

const tcp = (host: string, port: number) => ({ kind: 'tcp', host, port }) as const

const VALID: readonly Uint8Array[] = [
  ascii('PROXY TCP4 192.0.2.7 198.51.100.9 4711 443\r\n'),
  ascii('PROXY TCP6 2001:db8::7 ::ffff:198.51.100.9 4711 443\r\n'),
  ascii('PROXY UNKNOWN\r\n'),
  ascii('PROXY UNKNOWN whatever \x00\xff comes\r\n'),
  v2(),
  v2({ family: 0x21, block: [...new Array(32).fill(7), ...u16(1), ...u16(2)] }),
  v2({ family: 0x31, block: unixBlock('/run/a', '/run/b') }),
  v2({ command: 0x20, family: 0x00, block: [] }),
  v2({ family: 0x00, block: [1, 2, 3] }),
  v2({ tlvs: [...tlv(0x02, [1, 2, 3]), ...tlv(0x04, [])] }),
  withChecksum({ tlvs: tlv(0x04, [0, 0]) }),
]

describe('version 1', () => {
  it('gives both ends, and how long it is', () => {
    const line = 'PROXY TCP4 192.0.2.7 198.51.100.9 0 65535\r\n'
    expect(parseText(`${line}GET / HTTP/1.1\r\n`)).toEqual({
      kind: 'match',
      version: 'v1',
      source: tcp('192.0.2.7', 0),
      destination: tcp('198.51.100.9', 65535),
      tlvs: [],
      length: line.length,
    })
  })

  it('gives IPv6 in its one spelling, and IPv4 where that is what it is', () => {
    const parsed = parseText('PROXY TCP6 2001:DB8:0:0:0:0:0:7 ::ffff:c633:6409 1 2\r\n')
    expect(parsed).toMatchObject({ source: tcp('2001:db8::7', 1), destination: tcp('198.51.100.9', 2) })
  })

  it('says nothing of the ends when they are unknown', () => {
    for (const rest of ['', ' ', ' TCP9 a b c d'])
      expect(parseText(`PROXY UNKNOWN${rest}\r\nx`)).toEqual({
        kind: 'match',
        version: 'v1',
        source: null,
        destination: null,
        tlvs: [],
        length: `PROXY UNKNOWN${rest}\r\n`.length,
      })
  })

  it('takes a line of 107 bytes and not one of 108', () => {
    const line = (length: number): string => `${'PROXY UNKNOWN '.padEnd(length - 2, 'x')}\r\n`
    expect(parseText(line(107))).toMatchObject({ kind: 'match', length: 107 })
    expect(whyOf(ascii(line(108)))).toBe('its line is longer than 107 bytes')
    expect(whyOf(ascii('PROXY '.padEnd(107, '1')))).toBe('its line is longer than 107 bytes')
  })

  it.each([
    'PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n',
    'PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n',
    'PROXY TCP4\t1.2.3.4 1.2.3.4 1 2\r\n',
    'PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n',
    'PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n',
    'PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n',
    'PROXY TCP4 0x1.2.3.4 1.2.3.4 1 2\r\n',
    'PROXY TCP4 ::1 ::1 1 2\r\n',
    'PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n',
    'PROXY TCP6 ::1%lo ::1 1 2\r\n',
    'PROXY TCP6 ::00001 ::1 1 2\r\n',
    'PROXY TCP6 1::2::3 ::1 1 2\r\n',
    'PROXY TCP6 1:2:3:4:5:6:7 ::1 1 2\r\n',
    'PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n',
    'PROXY TCP6 1.2.3.4:: ::1 1 2\r\n',
    'PROXY TCP6 ::1.2.3.04 ::1 1 2\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 00 2\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1 +2\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rx\n',
    'PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n',
    'PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n',
    'PROXY UNKNOWNX\r\n',
    'PROXY UNKNOWN\n',
    'PROXY \r\n',
  ])('%j is invalid', (line) => {
    expect(parseText(line).kind).toBe('invalid')
  })
})

describe('version 2', () => {
  it('gives both ends, its TLVs, and how long it is', () => {
    const header = v2({ tlvs: tlv(0xe0, [1, 2, 3]) })
    expect(parseProxyHeader(Uint8Array.from([...header, 9, 9]))).toEqual({
      kind: 'match',
      version: 'v2',
      source: tcp('192.0.2.7', 4711),
      destination: tcp('198.51.100.9', 443),
      tlvs: [{ type: 0xe0, value: Uint8Array.of(1, 2, 3) }],
      length: header.length,
    })
  })

  it('gives the paths of unix sockets, also one that fills its field, and none for an abstract name', () => {
    const long = '/'.padEnd(108, 'x')
    expect(parseProxyHeader(v2({ family: 0x31, block: unixBlock(long, '\0abstract') }))).toMatchObject({
      source: { kind: 'unix', path: long },
      destination: { kind: 'unix', path: '' },
    })
  })

  it('refuses a path that is not text', () => {
    const why = 'it has a path that is not printable UTF-8'
    expect(whyOf(v2({ family: 0x31, block: unixBlock('/a\nb', '') }))).toBe(why)
    const block = [0x2f, 0xff, ...unixBlock('', '').slice(2)]
    expect(whyOf(v2({ family: 0x31, block }))).toBe(why)
  })

  it('LOCAL makes the family and all that follows meaningless, but not its length', () => {
    const header = v2({ command: 0x20, family: 0x77, block: [1, 2, 3] })
    expect(parseProxyHeader(header)).toEqual({
      kind: 'match',
      version: 'v2',
      source: null,
      destination: null,
      tlvs: [],
      length: 19,
    })
    expect(parseProxyHeader(header.subarray(0, 18)).kind).toBe('need_more')
  })

  it('checks a checksum that is there', () => {
    const header = withChecksum({ tlvs: tlv(0x04, [1, 2]) })
    expect(parseProxyHeader(header)).toMatchObject({ kind: 'match', source: tcp('192.0.2.7', 4711) })
    for (let at = 16; at < header.length; at++) {
      const damaged = header.slice()
      damaged[at] = (damaged[at] ?? 0) ^ 0x10
      expect(parseProxyHeader(damaged).kind).not.toBe('need_more')
      // A TLV's type may have become another one; then there is nothing to be checked.
      if (damaged[header.length - 7] === 0x03) expect(parseProxyHeader(damaged).kind).toBe('invalid')
    }
    expect(whyOf(v2({ tlvs: tlv(0x03, [1, 2, 3]) }))).toBe('its checksum has not 4 bytes')
    expect(whyOf(v2({ tlvs: tlv(0x03, [1, 2, 3, 4]) }))).toBe('its checksum is wrong')
  })

  it.each([
    ['a version that is not 2', v2({ command: 0x11 })],
    ['an unknown command', v2({ command: 0x22 })],
    ['datagrams over IPv4', v2({ family: 0x12 })],
    ['datagrams over IPv6', v2({ family: 0x22 })],
    ['datagrams of a unix socket', v2({ family: 0x32 })],
    ['a family without a transport', v2({ family: 0x10 })],
    ['a transport without a family', v2({ family: 0x01 })],
    ['an unknown family', v2({ family: 0x41 })],
  ])('%s is invalid, as soon as it shows', (_, header) => {
    expect(parseProxyHeader(header).kind).toBe('invalid')
    expect(parseProxyHeader(header.subarray(0, 14)).kind).toBe('invalid')
  })

  it('never believes a length that does not fit what it holds', () => {
    const families = [
      { family: 0x11, least: 12 },
      { family: 0x21, least: 36 },
      { family: 0x31, least: 216 },
    ]
    for (const { family, least } of families)
      for (let length = 0; length < 0x10000; length = length < 300 ? length + 1 : length + 97) {
        const header = v2({ family, block: [], tlvs: new Array(300).fill(0), length })
        const { kind } = parseProxyHeader(header)
        const isTooLong = 16 + length > MAX_PROXY_HEADER_BYTES
        // Zeros are whole TLVs of three bytes each.
        if (length < least || isTooLong) expect(kind).toBe('invalid')
        else if (length > 300) expect(kind).toBe('need_more')
        else expect(kind).toBe((length - least) % 3 === 0 ? 'match' : 'invalid')
      }
  })

  it('reads at most 4 KiB of TLVs behind the longest addresses, and refuses more at once', () => {
    expect(MAX_PROXY_HEADER_BYTES).toBe(16 + 216 + 4096)
    const least = v2({ command: 0x20, block: [], length: 216 + 4096 })
    expect(parseProxyHeader(least).kind).toBe('need_more')
    const more = v2({ command: 0x20, block: [], length: 216 + 4097 })
    expect(whyOf(more)).toBe('it has 4329 bytes, and more than 4328 are not read')
  })

  it('refuses a TLV that ends behind the header, or has no room for its own length', () => {
    const why = 'its last TLV is longer than the header'
    expect(whyOf(v2({ tlvs: [0x02, 0, 2, 1] }))).toBe(why)
    expect(whyOf(v2({ tlvs: [0x02] }))).toBe(why)
    expect(whyOf(v2({ tlvs: [...tlv(0x02, [1]), 0x02, 0] }))).toBe(why)
  })
})

describe('any version', () => {
  it('is not there when the first bytes are something else', () => {
    for (const text of ['GET / HTTP/1.1\r\n', 'PROXX', 'PROXYx', 'proxy ', '\r\n\r\n\0\r\nQUIT\r', ' PROXY '])
      expect(parseText(text).kind).toBe('no_match')
  })

  it('cut anywhere needs more, and whole says the same however it came', () => {
    for (const header of VALID) {
      for (let length = 0; length < header.length; length++)
        expect(parseProxyHeader(header.subarray(0, length)).kind).toBe('need_more')
      const whole = parseProxyHeader(header)
      expect(whole).toMatchObject({ kind: 'match', length: header.length })
      expect(parseProxyHeader(Uint8Array.from([...header, ...header]))).toEqual(whole)
    }
  })

  it('is the same as a part of a Buffer, which is left as it was', () => {
    for (const header of VALID) {
      const padded = Buffer.concat([Buffer.from('before'), header, Buffer.from('after')])
      const before = Buffer.from(padded)
      expect(parseProxyHeader(padded.subarray('before'.length))).toEqual(parseProxyHeader(header))
      expect(padded).toEqual(before)
    }
  })

  it('changed anywhere is answered without a throw, the same whole and byte by byte', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...VALID),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
        fc.nat(),
        fc.uint8Array({ maxLength: 8 }),
        (header, changes, cut, tail) => {
          const bytes = header.slice()
          for (const [at, value] of changes) bytes[at % bytes.length] = value
          const sent = Uint8Array.from([...bytes.subarray(0, cut % (bytes.length + 1)), ...tail])
          expect(parseByteAtATime(sent)).toEqual(parseProxyHeader(sent))
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('noise behind a beginning is answered without a throw, the same whole and byte by byte', () => {
    const beginnings = [
      [],
      [...ascii('PROXY ')],
      [...ascii('PROXY TCP4 ')],
      V2_SIGNATURE,
      [...v2().slice(0, 16)],
    ]
    fc.assert(
      fc.property(fc.constantFrom(...beginnings), fc.uint8Array({ maxLength: 200 }), (beginning, noise) => {
        const sent = Uint8Array.from([...beginning, ...noise])
        expect(parseByteAtATime(sent)).toEqual(parseProxyHeader(sent))
      }),
      { numRuns: 2000 },
    )
  })

  it('has an answer other than need_more once as many bytes are there as are ever read', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), fc.boolean(), (beginning, isV2) => {
        const bytes = new Uint8Array(MAX_PROXY_HEADER_BYTES)
        bytes.set(isV2 ? V2_SIGNATURE : ascii('PROXY '))
        bytes.set(beginning, isV2 ? 12 : 6)
        expect(parseProxyHeader(bytes).kind).not.toBe('need_more')
      }),
      { numRuns: 2000 },
    )
  })

  it('agrees with what is written here', () => {
    const header = encodeProxyHeader('v2', tcp('192.0.2.7', 4711), tcp('198.51.100.9', 443))
    expect([...header]).toEqual([...V2_SIGNATURE, 0x21, 0x11, 0, 12, ...INET_BLOCK])
  })
})
