import { expect, it } from 'vitest'
import { humanBytes, humanDuration } from '../../src/cli/human.js'

it.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '0.98 KiB'],
  [1536, '1.5 KiB'],
  [1024 ** 2 * 312, '312 MiB'],
  [1024 ** 3, '1 GiB'],
])('%d bytes read as %s', (bytes, text) => {
  expect(humanBytes(bytes)).toBe(text)
})

it.each([
  [0, '0ms'],
  [0.4213, '0.42ms'],
  [17, '17ms'],
  [999.9, '1s'],
  [3210, '3.21s'],
  [252_000, '4m 12s'],
  [7_500_000, '2h 5m'],
])('%d ms read as %s', (ms, text) => {
  expect(humanDuration(ms)).toBe(text)
})
