import { describe, expect, it } from 'vitest'
import { CopyWriter } from '../../../../src/core/codec/postgres/copy.js'
import { CopyReader } from '../../../../src/core/codec/postgres/copy-reader.js'

const written = (rows: readonly (readonly [number, string | null, Uint8Array])[]): Uint8Array => {
  const writer = new CopyWriter()
  const parts: Uint8Array[] = []
  for (const [number, text, bytes] of rows) {
    writer.row(3)
    writer.int8(number)
    if (text === null) writer.null()
    else writer.text(text)
    writer.bytes(bytes)
    parts.push(...writer.blocks())
  }
  return Buffer.concat([...parts, ...writer.end()])
}

const read = (bytes: Uint8Array, step: number): unknown[] => {
  const reader = new CopyReader()
  const rows: unknown[] = []
  for (let at = 0; at < bytes.length; at += step)
    for (const row of reader.push(bytes.subarray(at, at + step)))
      rows.push([row.count(0), row.isNull(1) ? null : row.text(1), new Uint8Array(row.bytes(2))])
  reader.end()
  return rows
}

const ROWS = [
  [0, 'a', Uint8Array.of(1, 2, 3)],
  [-5, null, new Uint8Array(0)],
  [2 ** 53 - 1, 'é', Uint8Array.from({ length: 700 }, (_, index) => index)],
] as const

describe('a binary COPY that is read', () => {
  it.each([1, 2, 7, 64, 1_000_000])('is the same in pieces of %d bytes', (step) => {
    expect(read(written(ROWS), step)).toEqual(ROWS)
    expect(read(written([]), step)).toEqual([])
  })

  it('may have rows longer than any piece', () => {
    const long = new Uint8Array(5_000_000).fill(7)
    const rows = read(written([[1, 'x', long]]), 65_536) as [number, string, Uint8Array][]
    expect(rows.length).toBe(1)
    expect(Buffer.from(rows[0]![2]).equals(long)).toBe(true)
  })

  it.each([0, 5, 30, 700])('is not whole when it ends at byte %d', (end) => {
    expect(() => read(written(ROWS).subarray(0, end), 16)).toThrow('cut short')
  })
})
