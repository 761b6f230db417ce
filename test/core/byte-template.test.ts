import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ByteTemplate, fillTemplate, lengthOf, NONCE_LENGTH } from '../../src/core/byte-template.js'

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

describe('a template', () => {
  it('is filled with the same nonce in every gap', () => {
    const texts = fc.array(fc.string({ maxLength: 5 }), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(texts, ([first = '', ...rest]) => {
        const template: ByteTemplate = [encode(first), ...rest.map(encode)]
        const nonce = '0123456789abcdef'
        const filled = fillTemplate(template, nonce)
        expect(decode(filled)).toBe([first, ...rest].join(nonce))
        expect(nonce).toHaveLength(NONCE_LENGTH)
        expect(filled.length).toBe(lengthOf(template))
      }),
    )
  })
})
