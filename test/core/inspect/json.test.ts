import { describe, expect, it } from 'vitest'
import { createConnectionTable } from '../../../src/core/inspect/connections.js'
import { connectionJson, eventJson } from '../../../src/core/inspect/json.js'
import { closed, entry, fin, gap, ledger, opened, sent } from './events.js'

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const T = (ms: number): string => `1970-01-01T00:00:00.00${ms}000000Z`

describe('an event as JSON', () => {
  it.each([
    [
      opened(1, { listener: undefined }),
      {
        kind: 'open',
        connection: 1,
        time: T(0),
        client: '10.0.0.1:1001',
        server: '10.0.0.2:80',
        listener: null,
        id: null,
        recording: null,
        fromStart: true,
        continues: null,
      },
    ],
    [
      sent(1, 'upstream', 'hi', { at: 4 }),
      { kind: 'data', connection: 1, time: T(1), direction: 'upstream', at: 4, length: 2, data: 'aGk=' },
    ],
    [
      opened(1, { id: 9, recording: 'a-uuid', fromStart: false, continues: { upstream: 3, downstream: 4 } }),
      expect.objectContaining({ id: 9, recording: 'a-uuid', continues: { upstream: 3, downstream: 4 } }),
    ],
    [
      gap(1, 'downstream', 2, 3),
      {
        kind: 'gap',
        connection: 1,
        time: T(1),
        direction: 'downstream',
        at: 2,
        length: 3,
        why: null,
        cut: false,
      },
    ],
    [{ ...gap(1, 'downstream', 2, 3), cut: true as const }, expect.objectContaining({ cut: true })],
    [
      { kind: 'continue' as const, connection: 1, timeNs: 0n, upstream: 3, downstream: 4 },
      { kind: 'continue', connection: 1, time: T(0), at: { upstream: 3, downstream: 4 } },
    ],
    [fin(1, 'upstream'), { kind: 'fin', connection: 1, time: T(1), direction: 'upstream' }],
    [
      closed(1, ledger(entry(0), entry(0))),
      { kind: 'close', connection: 1, time: T(5), how: 'fin', reason: 'client_fin' },
    ],
    [closed(1, null), { kind: 'close', connection: 1, time: T(5), how: 'fin', reason: null }],
  ])('has every field, null where there is nothing: %#', (event, expected) => {
    expect(eventJson(event, base64)).toEqual(expected)
  })
})

describe('a connection as JSON', () => {
  it('tells an open one from a closed one', () => {
    const table = createConnectionTable()
    table.push(opened(1))
    table.push(opened(2))
    table.push(sent(1, 'upstream', 'hi'))
    const over = table.push(closed(1, ledger(entry(2), entry(0))))
    const found = [...(over === null ? [] : [over]), ...table.rest()].map(connectionJson)
    expect(found).toEqual([
      {
        connection: 1,
        client: '10.0.0.1:1001',
        server: '10.0.0.2:80',
        listener: 'web',
        start: T(0),
        durationMs: 5,
        bytes: { upstream: 2, downstream: 0 },
        lost: { upstream: 0, downstream: 0 },
        cut: { upstream: 0, downstream: 0 },
        state: 'closed',
        reason: 'client_fin',
        end: 'fin',
        fromStart: true,
        continues: null,
        continued: false,
        id: null,
        recording: null,
      },
      expect.objectContaining({ connection: 2, state: 'open', reason: null, end: null, durationMs: 0 }),
    ])
  })
})
