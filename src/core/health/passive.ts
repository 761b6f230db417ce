/**
 * What clients' own dials say about an endpoint.
 *
 * - failure: a dial that did not connect
 * - ejected: left out for a while (the backoff) after too many failures in a row
 * - probation: after an ejection, until a dial connects; the next failure ejects again, for twice as long
 *
 * Plain numbers, so that they can live in memory that threads share. Times are whole milliseconds of any clock that all threads
 * have in common and that is never set back.
 */

export interface PassiveOptions {
  /** In a row, until an endpoint is ejected; 0: it never is. */
  readonly failures: number
  readonly backoffMs: number
  readonly maxBackoffMs: number
}

export interface PassiveState {
  /** In a row, since the last success or ejection. */
  readonly failures: number
  /** In a row, without a success in between: above 0 is on probation. */
  readonly ejections: number
  /** 0: not ejected. */
  readonly ejectedUntil: number
}

/** At the start, and after every success. */
export const HEALTHY: PassiveState = { failures: 0, ejections: 0, ejectedUntil: 0 }

/** No backoff in the range of a config needs more doublings, and 32 bits hold the count. */
const MAX_EJECTIONS = 32

export const isEjected = (ejectedUntil: number, now: number): boolean => now < ejectedUntil

/** The backoff after so many ejections in a row; from 1. */
export const backoffAfter = (ejections: number, { backoffMs, maxBackoffMs }: PassiveOptions): number =>
  Math.min(backoffMs * 2 ** (ejections - 1), maxBackoffMs)

/**
 * A dial failed. While the endpoint is ejected that is no news: it is about dials that began before, or were made for want of any
 * other endpoint, and a hundred of them are not to double the backoff a hundred times.
 */
export const afterFailure = (state: PassiveState, options: PassiveOptions, now: number): PassiveState => {
  if (options.failures === 0 || isEjected(state.ejectedUntil, now)) return state
  const failures = state.failures + 1
  if (state.ejections === 0 && failures < options.failures) return { ...state, failures }
  const ejections = Math.min(state.ejections + 1, MAX_EJECTIONS)
  return { failures: 0, ejections, ejectedUntil: now + backoffAfter(ejections, options) }
}

/** A dial connected: whatever was, is forgotten. Returns the state itself when there is nothing to forget. */
export const afterSuccess = (state: PassiveState): PassiveState =>
  state.failures === 0 && state.ejections === 0 ? state : HEALTHY
