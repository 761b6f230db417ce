import { expect, it } from 'vitest'
import {
  type ClosedFile,
  insertClosed,
  type RetentionLimits,
  surplus,
} from '../../../../src/core/record/files/retention.js'

const NONE = { keepBytes: null, keepMs: null, keepFiles: null }
const NOTHING = { files: 0, bytes: 0 }
const files: readonly ClosedFile[] = [1, 2, 3, 4].map((n) => ({
  path: String(n),
  bytes: 10 * n,
  closedMs: 100 * n,
}))
const removed = (limits: Partial<RetentionLimits>, current = NOTHING, nowMs = 500): string =>
  surplus(files, current, { ...NONE, ...limits }, nowMs)
    .map(({ path }) => path)
    .join('')

it('removes the oldest until what is left fits, those that are being written counted', () => {
  expect(removed({})).toBe('')
  expect(removed({ keepFiles: 4 })).toBe('')
  expect(removed({ keepFiles: 3 })).toBe('1')
  expect(removed({ keepFiles: 3 }, { files: 2, bytes: 0 })).toBe('123')
  expect(removed({ keepFiles: 1 }, { files: 9, bytes: 0 })).toBe('1234')
  expect(removed({ keepBytes: 100 })).toBe('')
  expect(removed({ keepBytes: 70 })).toBe('12')
  expect(removed({ keepBytes: 70 }, { files: 1, bytes: 1 })).toBe('123')
  expect(removed({ keepMs: 200 })).toBe('123')
  expect(removed({ keepMs: 401, keepFiles: 3 })).toBe('1')
})

it('keeps closed files in order of their end', () => {
  const sorted: ClosedFile[] = []
  for (const closedMs of [3, 1, 2, 5, 4]) insertClosed(sorted, { path: '', bytes: 0, closedMs })
  expect(sorted.map(({ closedMs }) => closedMs)).toEqual([1, 2, 3, 4, 5])
})
