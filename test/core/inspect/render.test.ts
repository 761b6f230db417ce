import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { headerLine, hexLines, openingLine, textLines } from '../../../src/core/inspect/render.js'
import { closed, entry, fin, gap, ledger, opened, sent } from './events.js'

const text = (bytes: Uint8Array): string => [...textLines(bytes)].join('')
const utf8 = (value: string): Uint8Array => new TextEncoder().encode(value)

describe('the lines of a conversation', () => {
  it('begin with who talked to whom', () => {
    expect(openingLine(opened(3), 'T')).toBe('connection 3: 10.0.0.1:1003 -> 10.0.0.2:80  listener web  T\n')
    expect(openingLine(opened(3, { listener: undefined, fromStart: false }), 'T')).toBe(
      'connection 3: 10.0.0.1:1003 -> 10.0.0.2:80  T  (the recording begins in the middle of it)\n',
    )
  })

  it('head each chunk with direction, time and position', () => {
    const events = [
      sent(1, 'upstream', 'PING\r\n', { at: 7 }),
      sent(1, 'downstream', '+', { ms: 2 }),
      gap(1, 'upstream', 13, 5, 'overload: dropped'),
      gap(1, 'upstream', 18, 1),
      fin(1, 'downstream'),
      closed(1, ledger(entry(0), entry(0))),
      closed(1, null),
    ]
    expect(events.map((event) => headerLine(event, 0n))).toEqual([
      '> upstream    +0.001000000  @7  6 bytes\n',
      '< downstream  +0.002000000  @0  1 byte\n',
      '! upstream    +0.001000000  @13  5 bytes missing: overload: dropped\n',
      '! upstream    +0.001000000  @18  1 byte missing: no reason recorded\n',
      '= downstream  +0.001000000  ended\n',
      '= closed      +0.005000000  client_fin\n',
      '= closed      +0.005000000  fin\n',
    ])
    expect(headerLine(opened(1), 0n)).toBeNull()
  })
})

describe('text', () => {
  it.each([
    ['one line', 'PING\r\n', '  PING\\r\n'],
    ['several lines', 'a\nb\n', '  a\n  b\n'],
    ['a last line without an end', 'a\nb', '  a\n  b\n'],
    ['empty lines', '\n\n', '  \n  \n'],
  ])('indents %s', (_, payload, shown) => {
    expect(text(utf8(payload))).toBe(shown)
  })

  it('never puts recorded bytes into the first column', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (bytes) => {
        const shown = text(bytes)
        expect(shown.endsWith('\n')).toBe(true)
        for (const line of shown.slice(0, -1).split('\n')) expect(line).toMatch(/^ {2}/)
      }),
    )
  })

  it('is the same when it is made in slices', () => {
    const line = 'ü'.repeat(500)
    const payload = `${line}\n`.repeat(300)
    expect(text(utf8(payload))).toBe(`  ${line}\n`.repeat(300))
    expect([...textLines(utf8(payload))].length).toBeGreaterThan(1)
    expect(text(utf8('ü'.repeat(100_000)))).toBe(`  ${'ü'.repeat(100_000)}\n`)
  })
})

const hex = (bytes: Uint8Array, position: number): string =>
  Buffer.concat([...hexLines(bytes, position)]).toString('latin1')

describe('hex', () => {
  it('is the classic dump, with the position in the stream', () => {
    expect(hex(utf8('HTTP/1.1 200 OK\r\nDate'), 32)).toBe(
      [
        '  00000020  48 54 54 50 2f 31 2e 31  20 32 30 30 20 4f 4b 0d  |HTTP/1.1 200 OK.|\n',
        '  00000030  0a 44 61 74 65                                    |.Date|\n',
      ].join(''),
    )
  })

  it('has room for positions beyond 4 GiB', () => {
    expect(hex(utf8('x'), 2 ** 40)).toMatch(/^ {2}10000000000 {2}78 /)
  })

  it('has every byte once, at its position, however long it is', () => {
    const bytes = Uint8Array.from({ length: 200_003 }, (_, at) => (at * 7) % 256)
    const rows = hex(bytes, 5).trimEnd().split('\n')
    const shown = rows.map((row) => row.slice(12, 61).replaceAll(' ', '')).join('')
    expect(Buffer.from(shown, 'hex').equals(bytes)).toBe(true)
    expect(rows.map((row) => Number.parseInt(row.slice(2, 10), 16))).toEqual(
      rows.map((_, row) => 5 + row * 16),
    )
    expect(rows.every((row) => row.slice(62).startsWith('|') && row.endsWith('|'))).toBe(true)
  })
})
