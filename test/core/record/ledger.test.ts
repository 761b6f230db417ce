import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeAnnotation } from '../../../src/core/record/annotation.js'
import { Ledger, MAX_LOST_RANGES, SEVERAL } from '../../../src/core/record/ledger.js'

const lostBytes = (ledger: Ledger): number => ledger.entry().lost.reduce((sum, { length }) => sum + length, 0)

test('adjacent losses with the same reason are one, in whichever order they are told', () => {
  const ledger = new Ledger()
  ledger.see(100)
  ledger.lose(20, 10, 'a')
  ledger.lose(0, 10, 'a')
  ledger.lose(10, 10, 'a')
  ledger.lose(30, 10, 'b')
  expect(ledger.entry().lost).toEqual([
    { at: 0, length: 30, why: 'a' },
    { at: 30, length: 10, why: 'b' },
  ])
})

test('losses apart from each other stay apart', () => {
  const ledger = new Ledger()
  ledger.see(100)
  ledger.lose(50, 10, 'a')
  ledger.lose(10, 10, 'a')
  ledger.store(80)
  expect(ledger.entry()).toEqual({
    seen: 100,
    stored: 80,
    lost: [
      { at: 10, length: 10, why: 'a' },
      { at: 50, length: 10, why: 'a' },
    ],
  })
})

test('beyond the bound the last losses are added up, so that seen is still stored plus lost', () => {
  const ledger = new Ledger()
  for (let i = 0; i < 2 * MAX_LOST_RANGES; i++) {
    ledger.see(10)
    ledger.lose(i * 10, 4, 'overload: dropped')
    ledger.store(6)
  }
  const { seen, stored, lost } = ledger.entry()
  expect(lost).toHaveLength(MAX_LOST_RANGES)
  expect(lost.at(-1)).toEqual({
    at: (MAX_LOST_RANGES - 1) * 10,
    length: (MAX_LOST_RANGES + 1) * 4,
    why: SEVERAL,
  })
  expect(seen).toBe(stored + lostBytes(ledger))
})

test('the longest account fits one comment', () => {
  const ledger = new Ledger()
  const huge = 2 ** 52
  for (let i = 0; i < 1000; i++) ledger.lose(huge + i * 2 ** 30, 2 ** 29 + 1, 'w'.repeat(500))
  const entry = ledger.entry()
  const text = encodeAnnotation({
    kind: 'close',
    id: Number.MAX_SAFE_INTEGER,
    reason: 'half_close_timeout',
    upstream: entry,
    downstream: entry,
  })
  expect(new TextEncoder().encode(text).length).toBeLessThanOrEqual(0xffff)
})

test('however bytes are lost and stored, the account adds up and its ranges are ordered and inside what was seen', () => {
  const piece = fc.record({
    length: fc.integer({ min: 1, max: 100 }),
    fate: fc.constantFrom('stored', 'a', 'b'),
  })
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 900 }), fc.func(fc.nat()), (pieces, order) => {
      const ledger = new Ledger()
      let at = 0
      const losses: { at: number; length: number; why: string }[] = []
      for (const { length, fate } of pieces) {
        ledger.see(length)
        if (fate === 'stored') ledger.store(length)
        else losses.push({ at, length, why: fate })
        at += length
      }
      losses.sort((left, right) => order(left.at) - order(right.at))
      for (const { at: from, length, why } of losses) ledger.lose(from, length, why)
      const { seen, stored, lost } = ledger.entry()
      expect(stored + lostBytes(ledger)).toBe(seen)
      expect(ledger.lostBytes).toBe(lostBytes(ledger))
      let end = 0
      for (const range of lost) {
        expect(range.at).toBeGreaterThanOrEqual(end)
        end = range.at + range.length
      }
      expect(end).toBeLessThanOrEqual(seen)
    }),
    { numRuns: 100 },
  )
})
