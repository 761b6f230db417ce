import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { printableLine, printableText, textCut } from '../../../src/core/inspect/printable.js'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('printableText', () => {
  it('keeps text and line feeds', () => {
    expect(printableText(utf8('GET /grüße?q=日本 🙂\n'))).toBe('GET /grüße?q=日本 🙂\n')
  })

  it.each([
    { what: 'carriage returns', bytes: utf8('a\r\n'), shown: 'a\\r\n' },
    { what: 'tabs and NULs', bytes: utf8('a\tb\0'), shown: 'a\\tb\\0' },
    { what: 'terminal escapes', bytes: utf8('\x1b[2J\x07\x7f'), shown: '\\x1b[2J\\x07\\x7f' },
    { what: 'C1 controls', bytes: utf8('\u009b31m'), shown: '\\u{9b}31m' },
    { what: 'bidirectional overrides', bytes: utf8('a\u202eb'), shown: 'a\\u{202e}b' },
    { what: 'line separators', bytes: utf8('a\u2028b'), shown: 'a\\u{2028}b' },
    { what: 'a byte order mark', bytes: utf8('\ufeffa'), shown: '\\u{feff}a' },
    { what: 'bytes that are no UTF-8', bytes: Uint8Array.of(0x61, 0xff, 0xfe, 0x62), shown: 'a\\xff\\xfeb' },
    { what: 'a sequence cut short', bytes: Uint8Array.of(0xe2, 0x82), shown: '\\xe2\\x82' },
    {
      what: 'overlong forms',
      bytes: Uint8Array.of(0xc0, 0x8a, 0xe0, 0x80, 0x8a),
      shown: '\\xc0\\x8a\\xe0\\x80\\x8a',
    },
    { what: 'surrogates', bytes: Uint8Array.of(0xed, 0xa0, 0x80), shown: '\\xed\\xa0\\x80' },
    {
      what: 'code points beyond Unicode',
      bytes: Uint8Array.of(0xf4, 0x90, 0x80, 0x80),
      shown: '\\xf4\\x90\\x80\\x80',
    },
  ])('escapes $what', ({ bytes, shown }) => {
    expect(printableText(bytes)).toBe(shown)
  })

  it('never lets a control or invisible character through, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(printableText(bytes).replaceAll('\n', '')).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u)
      }),
    )
  })

  it('agrees with the platform on which bytes are UTF-8', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 8 }), (bytes) => {
        const isUtf8 = !new TextDecoder().decode(bytes).includes('\ufffd')
        expect(/\\x[89a-f]/.test(printableText(bytes))).toBe(!isUtf8)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('textCut', () => {
  it('cuts well-formed text into pieces that are well-formed', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', minLength: 1 }),
        fc.integer({ min: 4, max: 20 }),
        (text, limit) => {
          const bytes = utf8(text)
          const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
          let read = ''
          for (let at = 0; at < bytes.length; ) {
            const cut = textCut(bytes.subarray(at), limit)
            expect(cut).toBeGreaterThan(0)
            expect(cut).toBeLessThanOrEqual(limit)
            read += decoder.decode(bytes.subarray(at, at + cut))
            at += cut
          }
          expect(read).toBe(decoder.decode(bytes))
        },
      ),
    )
  })

  it('cuts at the limit where the bytes are no text', () => {
    expect(textCut(new Uint8Array(100).fill(0x80), 10)).toBe(10)
  })
})

describe('printableLine', () => {
  it('keeps a name on its line', () => {
    expect(printableLine('unix:/a\nb\x1b[31m')).toBe('unix:/a\\nb\\x1b[31m')
  })
})
