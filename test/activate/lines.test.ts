import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Lines } from '../../src/activate/lines.js'

const linesOf = (chunks: readonly Uint8Array[]): string[] => {
  const got: string[] = []
  const lines = new Lines((line) => void got.push(line))
  for (const chunk of chunks) lines.add(Buffer.from(chunk))
  lines.end()
  return got
}

describe("a program's output", () => {
  it('is the same lines however it is cut into pieces', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary' }).map((line) => line.replace(/[\r\n]/g, '.') || '.')),
        fc.array(fc.nat({ max: 7 })),
        (lines, cuts) => {
          const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
          const pieces: Uint8Array[] = []
          let at = 0
          for (const cut of cuts) {
            pieces.push(bytes.subarray(at, at + cut))
            at += cut
          }
          expect(linesOf([...pieces, bytes.subarray(at)])).toEqual(lines)
        },
      ),
    )
  })

  it('has no carriage returns at the ends of its lines, and keeps empty ones', () => {
    expect(linesOf([Buffer.from('a\r\n\r\nb\rc\n\nlast')])).toEqual(['a', '', 'b\rc', '', 'last'])
  })

  it('is cut where a line does not end', () => {
    const lines = linesOf([Buffer.from('x'.repeat(20_000)), Buffer.from(`${'y'.repeat(20_000)}\n`)])
    expect(Math.max(...lines.map(({ length }) => length))).toBe(8192)
    expect(lines.join('')).toBe('x'.repeat(20_000) + 'y'.repeat(20_000))
  })
})
