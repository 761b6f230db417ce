import { describe, expect, it } from 'vitest'
import type { ConversationEvent } from '../../../src/core/conversation.js'
import { createConnectionTable } from '../../../src/core/inspect/connections.js'
import { checkLedger, type LedgerVerdict } from '../../../src/core/inspect/ledger.js'
import type { CloseAnnotation } from '../../../src/core/record/annotation.js'
import { closed, entry, gap, ledger, opened, sent } from './events.js'

const check = (
  events: readonly ConversationEvent[],
  annotation: CloseAnnotation | null,
): LedgerVerdict | null => {
  const table = createConnectionTable()
  for (const event of [opened(1), ...events]) table.push(event)
  const summary = table.push(closed(1, annotation))
  return summary === null ? null : checkLedger(summary)
}

const dropped = (at: number, length: number) => ({ at, length, why: 'overload: dropped' })

describe('the ledger', () => {
  it('agrees with a file that has every byte', () => {
    const verdict = check([sent(1, 'upstream', 'hello')], ledger(entry(5), entry(0)))
    expect(verdict).toEqual({ mismatches: [], untraced: [] })
  })

  it('agrees with a file whose holes it knows', () => {
    const events = [gap(1, 'upstream', 0, 4), sent(1, 'upstream', 'hello', { at: 4 })]
    const verdict = check(events, ledger(entry(5, [dropped(0, 4)]), entry(0)))
    expect(verdict).toEqual({ mismatches: [], untraced: [] })
  })

  it('tells of losses that left no trace in the packets', () => {
    const verdict = check([], ledger(entry(0), entry(0, [dropped(0, 9)])))
    expect(verdict).toEqual({ mismatches: [], untraced: [{ ...dropped(0, 9), direction: 'downstream' }] })
  })

  it.each([
    {
      what: 'bytes that were stored and are not there',
      annotation: ledger(entry(7), entry(0)),
      message: 'the ledger has 7 bytes stored, the file has 5',
    },
    {
      what: 'bytes that were never stored and are there',
      annotation: ledger(entry(2), entry(0)),
      message: 'the ledger has 2 bytes stored, the file has 5',
    },
    {
      what: 'a hole it knows nothing of',
      annotation: ledger(entry(5), entry(0)),
      message: 'the ledger has 0 bytes lost, the file is missing 4',
    },
    {
      what: 'a sum of its own that is wrong',
      annotation: ledger({ seen: 100, stored: 5, lost: [dropped(0, 4)] }, entry(0)),
      message: 'the ledger does not add up: 100 bytes seen, but 5 stored and 4 lost',
    },
  ])('disagrees with $what', ({ annotation, message }) => {
    const events = [gap(1, 'upstream', 0, 4), sent(1, 'upstream', 'hello', { at: 4 })]
    expect(check(events, annotation)?.mismatches).toEqual([{ direction: 'upstream', message }])
  })

  it('is not asked for where there is none', () => {
    expect(check([sent(1, 'upstream', 'hello')], null)).toBeNull()
  })
})
