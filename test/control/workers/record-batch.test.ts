import { describe, expect, it } from 'vitest'
import { RecordGatherer, recordsOf } from '../../../src/control/workers/record-batch.js'
import type { ConnectionRecord } from '../../../src/core/session/record.js'
import { TidegateError } from '../../../src/errors.js'

const NAMES = ['web', 'db']
const NUMBERS = new Map(NAMES.map((name, number) => [name, number]))

const record = (more: Partial<ConnectionRecord> = {}): ConnectionRecord => ({
  id: 7,
  listener: 'db',
  client: { kind: 'tcp', host: '::1', port: 50_000 },
  upstream: { kind: 'unix', path: '/run/db.sock' },
  reason: 'client_fin',
  error: null,
  startedAt: 1_700_000_000_000,
  times: { routed: 0, queued: 12.5, woke: null, dialled: 1.25, total: 99.5 },
  bytes: { upstream: 2 ** 40, downstream: 3 },
  attempts: 2,
  ...more,
})

/** As it arrives on the other thread. */
const carried = (...records: readonly ConnectionRecord[]): readonly ConnectionRecord[] => {
  const gatherer = new RecordGatherer(NUMBERS)
  for (const each of records) gatherer.add(each)
  expect(gatherer.size).toBe(records.length)
  const batch = structuredClone(gatherer.take())
  expect(gatherer.size).toBe(0)
  return recordsOf(batch, NAMES)
}

describe('a batch of records', () => {
  it('brings each as it was, in order', () => {
    const records = [
      record(),
      record({ id: 8, listener: 'web', client: { kind: 'unix', path: '' } }),
      record({
        id: 9,
        upstream: null,
        times: { routed: null, queued: null, woke: null, dialled: null, total: 0 },
        reason: 'denied',
      }),
    ]
    expect(carried(...records)).toEqual(records)
  })

  it("brings an error with all that Tidegate's own says, and what it was caused by", () => {
    const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    const error = new TidegateError('dial_failed', 'cannot connect', {
      fault: 'peer',
      retryable: true,
      where: '127.0.0.1:1',
      errno: 'ECONNREFUSED',
      cause,
    })
    const [before, first, second] = carried(
      record(),
      record({ error }),
      record({ error: new RangeError('too far') }),
    )
    expect(before?.error).toBeNull()
    expect(first?.error).toBeInstanceOf(TidegateError)
    expect(first?.error).toMatchObject({
      code: 'dial_failed',
      message: 'cannot connect',
      fault: 'peer',
      retryable: true,
      where: '127.0.0.1:1',
      errno: 'ECONNREFUSED',
      cause: { message: 'connect ECONNREFUSED', code: 'ECONNREFUSED' },
    })
    expect(second?.error).toMatchObject({ name: 'RangeError', message: 'too far' })
  })

  it('ends the chain of causes of an error that is its own cause', () => {
    const error = new Error('round')
    error.cause = error
    expect(carried(record({ error }))[0]?.error?.message).toBe('round')
  })

  it('carries an error whose fields are nothing that could be sent', () => {
    const unreadable = new Error('odd')
    Object.defineProperty(unreadable, 'message', {
      get: () => {
        throw new Error('in a getter')
      },
    })
    const odd = Object.assign(new Error('odd'), { name: Symbol('odd'), cause: Object.create(null) })
    const [first, second] = carried(record({ error: unreadable }), record({ error: odd }))
    expect(first?.error).toBeInstanceOf(Error)
    expect(second?.error?.message).toBe('odd')
  })
})
