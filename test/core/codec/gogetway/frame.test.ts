import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  encodeGogetwayFrame,
  escapeBody,
  FRAME_MAGIC,
  unescapeBody,
} from '../../../../src/core/codec/gogetway/frame.js'
import { ascii, bytes, concat } from '../builders.js'

const text = (value: Uint8Array | null): string | null => value && new TextDecoder().decode(value)

describe('escaping', () => {
  it.each([
    ['', ''],
    ['plain', 'plain'],
    ['\nt', '\n\nt'],
    ['\n\nt', '\n\n\nt'],
    ['a\n\n\nta\ntt\n', 'a\n\n\n\nta\n\ntt\n'],
    ['\n', '\n'],
    ['t\n', 't\n'],
    ['--benbens--\nt', '--benbens--\n\nt'],
  ])('writes %j as %j, and reads it back', (payload, escaped) => {
    expect(text(escapeBody(ascii(payload)))).toBe(escaped)
    expect(text(unescapeBody(ascii(escaped)))).toBe(payload)
  })

  it.each([['\nt'], ['a\ntb'], ['\n\nt\nt']])(
    'does not take %j, where a mark stands unescaped',
    (escaped) => {
      expect(unescapeBody(ascii(escaped))).toBeNull()
    },
  )

  it('gives every payload back, and leaves no mark in what it writes', () => {
    const payload = fc
      .array(fc.constantFrom(0x0a, 0x74, 0x2d, 0x00), { maxLength: 40 })
      .map((it) => Uint8Array.from(it))
    fc.assert(
      fc.property(payload, (body) => {
        const escaped = escapeBody(body)
        expect(text(escaped)).not.toMatch(/(^|[^\n])\nt/)
        expect(unescapeBody(escaped)).toEqual(body)
      }),
    )
  })

  it('takes only what it would itself have written', () => {
    const any = fc
      .array(fc.constantFrom(0x0a, 0x74, 0x2d), { maxLength: 20 })
      .map((it) => Uint8Array.from(it))
    fc.assert(
      fc.property(any, (escaped) => {
        const payload = unescapeBody(escaped)
        if (payload !== null) expect(escapeBody(payload)).toEqual(escaped)
      }),
    )
  })
})

describe('a frame', () => {
  it('is written as the grammar says, byte for byte', () => {
    const frame = encodeGogetwayFrame({
      timeNs: 0x0102030405060708n,
      type: 1,
      from: '10.0.0.1:5',
      to: 'b:6',
      body: ascii('x\nty'),
    })
    const golden = concat(
      ascii('--benbens--\nt'),
      bytes(8, 7, 6, 5, 4, 3, 2, 1),
      bytes(1),
      bytes(5, 0, 0, 0, 0, 0, 0, 0),
      ascii('10.0.0.1:5...b:6\n'),
      ascii('x\n\nty'),
    )
    expect(frame).toEqual(golden)
    expect(frame.subarray(0, 13)).toEqual(FRAME_MAGIC)
  })

  const base = { timeNs: 0n, type: 1, from: 'a', to: 'b', body: new Uint8Array(0) }
  it.each([
    ['a line feed in an address', { from: 'a\nb' }],
    ['a separator in the sender', { from: 'a...b' }],
    ['a sender whose dots would run into the separator', { from: 'a.' }],
    ['addresses of more than 1 KiB', { to: 'x'.repeat(1024) }],
    ['a type beyond a byte', { type: 256 }],
    ['a time beyond 64 bits', { timeNs: 2n ** 63n }],
  ])('is refused with %s, because it could not be read back', (_, change) => {
    expect(() => encodeGogetwayFrame({ ...base, ...change })).toThrow(
      expect.objectContaining({ code: 'value_invalid' }),
    )
  })

  it('takes a receiver with dots, and empty addresses', () => {
    expect(encodeGogetwayFrame({ ...base, to: '...b' }).length).toBe(30 + 1 + 3 + 4 + 1)
    expect(encodeGogetwayFrame({ ...base, from: '', to: '' }).length).toBe(34)
  })
})
