/** How times and counts of a recording are written, for people and in JSON. */

const NS_PER_MS = 1e6
const NS_PER_S = 1_000_000_000n

/** The year 9999 ends here. A hostile file can claim times that no calendar of ours can write. */
const LAST_ISO_MS = 253_402_300_799_999n

const floorDivide = (value: bigint, by: bigint): bigint =>
  value >= 0n ? value / by : -((-value + by - 1n) / by)

/**
 * ISO 8601 in UTC with all nine digits (`2026-11-20T10:43:18.123456789Z`); for times outside the years 1970 to
 * 9999 `@seconds.nanoseconds`, as `date -d` reads it.
 */
export const isoTime = (timeNs: bigint): string => {
  const seconds = floorDivide(timeNs, NS_PER_S)
  const nanos = (timeNs - seconds * NS_PER_S).toString().padStart(9, '0')
  const ms = seconds * 1000n
  if (ms < 0n || ms > LAST_ISO_MS) return `@${seconds}.${nanos}`
  return `${new Date(Number(ms)).toISOString().slice(0, 19)}.${nanos}Z`
}

/** Milliseconds, the nanoseconds as fraction; exact for anything shorter than 104 days (2^53 ns). */
export const milliseconds = (durationNs: bigint): number => Number(durationNs) / NS_PER_MS

/** `+0.000123456`: seconds since the conversation began, to the nanosecond. */
export const offsetSeconds = (offsetNs: bigint): string => {
  const size = offsetNs < 0n ? -offsetNs : offsetNs
  return `${offsetNs < 0n ? '-' : '+'}${size / NS_PER_S}.${(size % NS_PER_S).toString().padStart(9, '0')}`
}

/** `1 connection`, `2 connections`. */
export const count = (figure: number, noun: string, plural = `${noun}s`): string =>
  `${figure} ${figure === 1 ? noun : plural}`
