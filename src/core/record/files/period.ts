/** When a file's time is over: at multiples of the period since midnight UTC, so that every day begins alike. */

const DAY_MS = 86_400_000

/** The first moment of the next period after `nowMs`. A period that is no part of a day is cut short at midnight. */
export const nextPeriod = (nowMs: number, periodMs: number): number => {
  const midnight = Math.floor(nowMs / DAY_MS) * DAY_MS
  const next = midnight + (Math.floor((nowMs - midnight) / periodMs) + 1) * periodMs
  // A period of several days: counted from 1970, as no midnight is better than another.
  if (periodMs > DAY_MS) return (Math.floor(nowMs / periodMs) + 1) * periodMs
  return Math.min(next, midnight + DAY_MS)
}
