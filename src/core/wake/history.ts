/**
 * What a service's past says about its next start.
 *
 * - backoff: from the second failure in a row on, a pause before the next start, twice as long each time
 * - storm: {@link STORM_STARTS} starts within {@link STORM_WINDOW_MS}, however they ended
 */

/** The pause after the second failure in a row, ms. */
export const FIRST_BACKOFF_MS = 500
export const LONGEST_BACKOFF_MS = 30_000
/** Who was open for so long was well: what comes then is a first failure. */
export const STABLE_MS = 10_000
export const STORM_STARTS = 20
export const STORM_WINDOW_MS = 2000
/** What a storm costs, ms: long enough for somebody to see it. */
export const STORM_WAIT_MS = 10_000

export interface History {
  /** In a row. */
  readonly failures: number
  /** When the last of them was, ms. */
  readonly failedAt: number
  /** When the last {@link STORM_STARTS} starts were, oldest first. */
  readonly starts: readonly number[]
}

export const NEW_HISTORY: History = { failures: 0, failedAt: 0, starts: [] }

export const withStart = (history: History, now: number): History => ({
  ...history,
  starts: [...history.starts, now].slice(-STORM_STARTS),
})

export const withFailure = (history: History, now: number): History => ({
  ...history,
  failures: history.failures + 1,
  failedAt: now,
})

/** It was open for so long, or stopped because nobody used it. */
export const withSuccess = (history: History, openMs = STABLE_MS): History =>
  openMs < STABLE_MS ? history : { ...history, failures: 0, failedAt: 0 }

/** The earliest time of the next start; not after `now`: at once. */
export interface NextStart {
  readonly ms: number
  /** For people; empty: at once. */
  readonly why: string
}

const backoffOf = (failures: number): number =>
  failures < 2 ? 0 : Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(failures - 2, 16))

export const mayStartAt = ({ failures, failedAt, starts }: History, now: number): NextStart => {
  const afterFailures = failedAt + backoffOf(failures)
  const [first] = starts
  const last = starts.at(-1)
  const isStorm =
    starts.length === STORM_STARTS &&
    first !== undefined &&
    last !== undefined &&
    last - first < STORM_WINDOW_MS
  const afterStorm = isStorm && last !== undefined ? last + STORM_WAIT_MS : 0
  if (Math.max(afterFailures, afterStorm) <= now) return { ms: now, why: '' }
  return afterStorm > afterFailures
    ? { ms: afterStorm, why: `was started ${STORM_STARTS} times within ${STORM_WINDOW_MS / 1000} s` }
    : { ms: afterFailures, why: `has failed ${failures} times in a row` }
}
