import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { judgeFirstBytes } from '../../../src/core/wake/guard.js'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const STARTS = [bytes('GET '), bytes('POST ')]

describe('first bytes', () => {
  it.each([
    ['', 'more'],
    ['G', 'more'],
    ['POST', 'more'],
    ['GET ', 'yes'],
    ['POST /', 'yes'],
    ['PUT', 'no'],
    ['GETS', 'no'],
    ['X', 'no'],
  ] as const)('%j are judged %s', (text, verdict) => {
    expect(judgeFirstBytes(bytes(text), STARTS)).toBe(verdict)
  })

  it('wake by one byte of any value when nothing is expected of them', () => {
    expect(judgeFirstBytes(new Uint8Array(0), [])).toBe('more')
    expect(judgeFirstBytes(Uint8Array.of(0), [])).toBe('yes')
  })

  it('wake by the shorter of two starts', () => {
    expect(judgeFirstBytes(bytes('GE'), [bytes('GET '), bytes('GE')])).toBe('yes')
  })

  it('are judged alike at once and byte by byte', () => {
    const few = fc.uint8Array({ minLength: 1, maxLength: 4, max: 2 })
    fc.assert(
      fc.property(few, fc.array(few, { maxLength: 4 }), (all, starts) => {
        const verdicts = Array.from(all, (_, at) => judgeFirstBytes(all.subarray(0, at + 1), starts))
        const settled = verdicts.find((verdict) => verdict !== 'more') ?? 'more'
        expect(judgeFirstBytes(all, starts)).toBe(settled)
      }),
    )
  })
})
