import { expect, it, vi } from 'vitest'
import { closedLine, otherLine } from '../../src/cli/logging.js'

vi.mock('picocolors', () => ({
  default: { dim: (text: string) => text, bold: (text: string) => text, isColorSupported: false },
}))

const CLOSED = {
  id: 12,
  listener: 'redis',
  client: '127.0.0.1:5000',
  upstream: '10.0.0.7:6379',
  durationMs: 1234.5,
  bytes: { upstream: 17, downstream: 5120 },
  reason: 'client_fin' as const,
}

it('the pretty line of an end says who, where to, how long, how much each way, and why', () => {
  expect(closedLine(CLOSED)).toBe(
    '#12 redis  127.0.0.1:5000 → 10.0.0.7:6379  1.23s  ↑ 17 B  ↓ 5 KiB  client_fin',
  )
})

it('the pretty line of a failure says what went wrong', () => {
  expect(closedLine({ ...CLOSED, upstream: null, reason: 'error', error: 'a hook failed: boom' })).toBe(
    '#12 redis  127.0.0.1:5000  1.23s  ↑ 17 B  ↓ 5 KiB  error: a hook failed: boom',
  )
})

it('any other line is its message and its fields', () => {
  expect(otherLine({ level: 30, time: 1, msg: 'listening', listener: 'redis', connections: 3 })).toBe(
    'listening  listener=redis  connections=3',
  )
})
