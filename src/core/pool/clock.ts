/** Time, as the pools are given it: a real clock in a program, one that stands still until told in a test. */

/** Harmless when it is too late. */
export type Cancel = () => void

export interface Clock {
  /** Milliseconds since any fixed moment; never goes back. */
  now(): number
  /**
   * Calls `run` once, `delayMs` from now, never before `after` returns.
   * @param isBackground nobody waits for it: a program may end with it still to come. Default false.
   */
  after(delayMs: number, run: () => void, isBackground?: boolean): Cancel
}
