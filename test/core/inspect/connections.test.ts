import { describe, expect, it } from 'vitest'
import { createConnectionTable } from '../../../src/core/inspect/connections.js'
import { closed, entry, fin, gap, ledger, opened, sent } from './events.js'

describe('the table of connections', () => {
  it('gives a connection out when it is over, with what was counted', () => {
    const table = createConnectionTable()
    const annotation = ledger(entry(5), entry(3, [{ at: 0, length: 10, why: 'overload: dropped' }]))
    expect(table.push(opened(1))).toBeNull()
    expect(table.push(sent(1, 'upstream', 'hello'))).toBeNull()
    expect(table.push(gap(1, 'downstream', 0, 10, 'overload: dropped'))).toBeNull()
    expect(table.push(sent(1, 'downstream', 'bye', { at: 10 }))).toBeNull()
    expect(table.push(fin(1, 'upstream'))).toBeNull()
    expect(table.push(closed(1, annotation))).toMatchObject({
      connection: 1,
      client: '10.0.0.1:1001',
      server: '10.0.0.2:80',
      listener: 'web',
      fromStart: true,
      startNs: 0n,
      endNs: 5_000_000n,
      stored: { upstream: 5, downstream: 3 },
      gaps: { upstream: 0, downstream: 10 },
      missing: { upstream: 0, downstream: 10 },
      cut: { upstream: 0, downstream: 0 },
      end: { state: 'closed', how: 'fin', annotation },
    })
    expect([...table.rest()]).toEqual([])
    expect(table.totals).toEqual({
      connections: 1,
      open: 0,
      incomplete: 1,
      stored: { upstream: 5, downstream: 3 },
      missing: { upstream: 0, downstream: 10 },
      cut: { upstream: 0, downstream: 0 },
    })
  })

  it('counts a loss that only the ledger knows of', () => {
    const table = createConnectionTable()
    table.push(opened(1))
    const lost = [{ at: 0, length: 7, why: 'write failed: ENOSPC' }]
    const summary = table.push(closed(1, ledger(entry(0, lost), entry(0))))
    expect(summary).toMatchObject({ gaps: { upstream: 0 }, missing: { upstream: 7 } })
  })

  it('gives out those without an end last, by number', () => {
    const table = createConnectionTable()
    for (const connection of [1, 2, 3]) table.push(opened(connection))
    table.push(sent(1, 'upstream', 'x'))
    table.push(closed(2, null))
    const rest = [...table.rest()]
    expect(rest.map(({ connection, end }) => [connection, end.state])).toEqual([
      [1, 'open'],
      [3, 'open'],
    ])
    expect(table.totals).toMatchObject({ connections: 3, open: 2 })
  })

  it('takes the latest time for the end, however packets are ordered', () => {
    const table = createConnectionTable()
    table.push(opened(1))
    table.push(sent(1, 'upstream', 'x', { ms: 9 }))
    expect(table.push(closed(1, null, 4))?.endNs).toBe(9_000_000n)
  })

  it('gives up the least recently active connection when there are too many at once', () => {
    const table = createConnectionTable(2)
    table.push(opened(1))
    table.push(opened(2))
    table.push(sent(1, 'upstream', 'still here'))
    expect(table.push(opened(3))).toMatchObject({ connection: 2, end: { state: 'open' } })
    expect(table.push(sent(2, 'upstream', 'forgotten'))).toBeNull()
    expect([...table.rest()].map(({ connection }) => connection)).toEqual([1, 3])
    expect(table.totals).toMatchObject({ connections: 3, open: 3, stored: { upstream: 10 } })
  })
})
