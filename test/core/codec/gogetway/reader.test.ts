import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_RECORD_BYTES } from '../../../../src/core/codec/capture.js'
import { encodeGogetwayFrame, type Frame } from '../../../../src/core/codec/gogetway/frame.js'
import { createGogetwayReader } from '../../../../src/core/codec/gogetway/reader.js'
import { ascii, bytes, concat, Numbers, readAll } from '../builders.js'

const read = (...parts: readonly Uint8Array[]) => readAll(createGogetwayReader(), concat(...parts))
const frame = (body: string, change: Partial<Frame> = {}): Uint8Array =>
  encodeGogetwayFrame({ timeNs: 7n, type: 1, from: 'a:1', to: 'b:2', body: ascii(body), ...change })

const WHOLE = concat(
  frame('GET /\n\nt'),
  frame('', { type: 2, timeNs: -5n }),
  frame('--benbens--\nt', { from: 'ü', to: '' }),
)
const SECOND = 30 + 10 + 9
const THIRD = SECOND + 30 + 10
const EXPECTED = [
  { kind: 'frame', offset: 0, timeNs: 7n, type: 1, from: 'a:1', to: 'b:2', body: ascii('GET /\n\nt') },
  { kind: 'frame', offset: SECOND, timeNs: -5n, type: 2, from: 'a:1', to: 'b:2', body: ascii('') },
  { kind: 'frame', offset: THIRD, timeNs: 7n, type: 1, from: 'ü', to: '', body: ascii('--benbens--\nt') },
] as const
const OFFSETS = [0, SECOND, THIRD]

/** With the length field set to something else. */
const withLength = (whole: Uint8Array, length: bigint): Uint8Array => {
  const changed = new Uint8Array(whole)
  changed.set(new Numbers('little').i64(length), 22)
  return changed
}

describe('frames', () => {
  it('are read with their payloads as they were', () => {
    expect(read(WHOLE)).toEqual(EXPECTED)
  })

  it('are the same at every split', () => {
    const whole = read(WHOLE)
    for (let split = 1; split < WHOLE.length; split += 1)
      expect(readAll(createGogetwayReader(), WHOLE, [split, WHOLE.length])).toEqual(whole)
    expect(readAll(createGogetwayReader(), WHOLE, [1])).toEqual(whole)
  })

  it('before a cut are given out, and the file is torn where the last one ended', () => {
    const whole = read(WHOLE)
    for (let cut = 0; cut < WHOLE.length; cut += 1) {
      const count = OFFSETS.filter((offset, index) => index > 0 && offset <= cut).length
      const records = readAll(createGogetwayReader(), WHOLE.subarray(0, cut))
      expect(records.slice(0, count)).toEqual(whole.slice(0, count))
      if (cut > 0 && OFFSETS.includes(cut)) expect(records).toHaveLength(count)
      else
        expect(records.slice(count)).toMatchObject([{ kind: 'damage', offset: OFFSETS[count], torn: true }])
    }
  })

  it('round-trip with any payload made of marks and magics, in any chunks', () => {
    const piece = fc.constantFrom(
      '\n',
      't',
      '\nt',
      '\n\nt',
      '--benbens--\nt',
      '--benbens--',
      '...',
      'x',
      '\0',
    )
    const body = fc.array(piece, { maxLength: 12 }).map((pieces) => ascii(pieces.join('')))
    fc.assert(
      fc.property(
        fc.array(body, { minLength: 1, maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        (bodies, sizes) => {
          const file = concat(
            ...bodies.map((it, index) =>
              encodeGogetwayFrame({ timeNs: BigInt(index), type: 1, from: 'a', to: 'b', body: it }),
            ),
          )
          const records = readAll(createGogetwayReader(), file, sizes)
          expect(records.map((it) => (it.kind === 'frame' ? it.body : it))).toEqual(bodies)
        },
      ),
    )
  })
})

describe('damage', () => {
  it.each([
    ['a negative length', withLength(frame('x'), -1n), '-1 bytes'],
    [
      'a length beyond what is read',
      withLength(frame('x'), BigInt(MAX_RECORD_BYTES) + 1n),
      `${MAX_RECORD_BYTES + 1}`,
    ],
    [
      'a length too short',
      concat(withLength(frame('hello world hello'), 4n), frame('x')),
      'no frame begins where',
    ],
    ['a length too short at the end', withLength(frame('hello'), 4n), 'no frame begins where'],
    [
      'a length that reaches into the next frame',
      concat(withLength(frame('hello'), 40n), frame('x')),
      'inside the body',
    ],
    [
      'a frame cut by a crash, with more after it',
      concat(frame('hello hello hello hello').subarray(0, 50), frame('x')),
      'inside the body',
    ],
    ['addresses without end', concat(frame('x').subarray(0, 30), ascii('x'.repeat(1100))), '1024 bytes'],
    ['addresses without separator', concat(frame('x').subarray(0, 30), ascii('ab\nx')), "'...'"],
  ])('is %s: told at that frame, after those before it', (_, bad, message) => {
    const good = frame('good')
    for (const sizes of [[100_000], [1], [17]]) {
      const records = readAll(createGogetwayReader(), concat(good, bad), sizes)
      const damage = records.at(-1)
      expect(damage).toMatchObject({ kind: 'damage', torn: false, message: expect.stringContaining(message) })
      expect(damage?.offset).toBe(good.length)
    }
  })

  it('is anything else than a magic: after a frame it makes that frame doubtful, since its length may be the wrong one', () => {
    const garbage = ascii('--benbens--\nx and so on and on')
    expect(read(garbage)).toMatchObject([{ kind: 'damage', offset: 0, torn: false }])
    expect(read(frame('x'), frame('x'), garbage)).toMatchObject([
      { kind: 'frame', offset: 0 },
      { kind: 'damage', offset: frame('x').length, torn: false },
    ])
  })

  it('is only torn where zeros follow to the end', () => {
    expect(read(frame('x'), new Uint8Array(40))).toMatchObject([
      { kind: 'frame' },
      { kind: 'damage', torn: true },
    ])
    expect(read(frame('x'), new Uint8Array(40), bytes(1))).toMatchObject([
      { kind: 'frame' },
      { kind: 'damage', torn: false },
    ])
    expect(read()).toMatchObject([{ kind: 'damage', offset: 0, torn: true }])
  })
})
