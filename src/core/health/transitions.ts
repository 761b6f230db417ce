/** What the log says when an endpoint's health changes; null while it stays as it was. */

import type { CheckRules, CheckState } from './active.js'
import { isEjected, type PassiveState } from './passive.js'

export interface Transition {
  /** `ejected` and `restored` are said of clients' dials, `down` and `up` of checks. */
  readonly to: 'ejected' | 'restored' | 'down' | 'up'
  /** One line, e.g. `endpoint down: 3 failed checks: connection refused`. */
  readonly message: string
}

const counted = (count: number, one: string, many: string): string =>
  count === 1 ? `1 ${one}` : `${count} ${many}`

/**
 * Between the states before and after one dial.
 * @param why the dial failed
 */
export const passiveTransition = (
  before: PassiveState,
  after: PassiveState,
  now: number,
  why: string,
): Transition | null => {
  if (after.ejectedUntil !== before.ejectedUntil && isEjected(after.ejectedUntil, now)) {
    const seconds = (after.ejectedUntil - now) / 1000
    const failed =
      after.ejections > 1 ? 'dial failed again' : counted(before.failures + 1, 'failed dial', 'failed dials')
    return { to: 'ejected', message: `endpoint left out for ${seconds} s: ${failed}: ${why}` }
  }
  if (before.ejections > 0 && after.ejections === 0)
    return {
      to: 'restored',
      message: `endpoint back: a dial connected after ${counted(before.ejections, 'failure', 'failures in a row')}`,
    }
  return null
}

/**
 * Between the states before and after one check.
 * @param why the check failed
 */
export const checkTransition = (
  before: CheckState,
  after: CheckState,
  { rise, fall }: CheckRules,
  why: string,
): Transition | null => {
  if (before.isDown === after.isDown) return null
  return after.isDown
    ? { to: 'down', message: `endpoint down: ${counted(fall, 'failed check', 'failed checks')}: ${why}` }
    : { to: 'up', message: `endpoint up: ${counted(rise, 'passed check', 'passed checks')}` }
}
