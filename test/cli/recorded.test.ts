import { expect, it } from 'vitest'
import { recordedText } from '../../src/cli/recorded.js'

const COUNTS = { connections: 12, storedBytes: 3_400_000, lostBytes: 0, cutBytes: 0, unclosed: 0 }

it.each([
  [{}, 'recorded 12 connections, 3.24 MiB (0 B lost) to redis.pcapng'],
  [{ connections: 1, storedBytes: 7 }, 'recorded 1 connection, 7 B (0 B lost) to redis.pcapng'],
  [
    { lostBytes: 5, cutBytes: 2048, unclosed: 1 },
    'recorded 12 connections, 3.24 MiB (5 B lost, 2 KiB not recorded, 1 ending missing) to redis.pcapng',
  ],
  [{ files: 3 }, 'recorded 12 connections, 3.24 MiB (0 B lost) to 3 files, redis.pcapng'],
  [{ files: 1 }, 'recorded 12 connections, 3.24 MiB (0 B lost) to 1 file, redis.pcapng'],
  [{ files: 0 }, 'recorded 12 connections, 3.24 MiB (0 B lost) to 0 files, redis.pcapng'],
])('what was recorded is summed up: %j', (counts, text) => {
  expect(recordedText({ ...COUNTS, ...counts }, 'redis.pcapng')).toBe(text)
})
