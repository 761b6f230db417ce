import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatBytes, formatTemplate, parseBytes, parseTemplate } from '../../src/config/byte-text.js'

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 10 }).map((text) => new TextEncoder().encode(text)),
  fc.constantFrom('hex:', '{nonce}', '\ufeff').map((text) => new TextEncoder().encode(text)),
)

const notEmpty = bytes.filter(({ length }) => length > 0)

describe('bytes in a config', () => {
  it('are read back from what they are written as', () => {
    fc.assert(
      fc.property(notEmpty, (value) => {
        expect([...parseBytes(formatBytes(value))]).toEqual([...value])
      }),
    )
  })

  it('with gaps are, too', () => {
    fc.assert(
      fc.property(notEmpty, fc.array(bytes, { maxLength: 4 }), (first, rest) => {
        const read = parseTemplate(formatTemplate([first, ...rest]))
        expect(read.map((piece) => [...piece])).toEqual([first, ...rest].map((piece) => [...piece]))
      }),
    )
  })

  it('are shown as text where they are text', () => {
    expect(formatBytes(parseBytes('hex:50494e47'))).toBe('PING')
    expect(formatTemplate(parseTemplate('ECHO {nonce}\r\n'))).toBe('ECHO {nonce}\r\n')
    expect(formatBytes(Uint8Array.of(0xff, 0))).toBe('hex:ff00')
  })
})
