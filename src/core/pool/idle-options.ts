/** The sizes and times of a pool of connections. */

import { TidegateError } from '../../errors.js'
import { checkWhole } from './errors.js'

export interface IdlePoolOptions {
  /** Idle connections kept ready: dialled ahead, and topped up at once when one is taken. */
  readonly min: number
  /** Connections in all: idle, in use and being dialled; 0: no limit. */
  readonly max: number
  /** Who may wait at a time when there is no room for another dial; 0: no limit. */
  readonly maxWaiting: number
  /** A connection beyond `min` that was idle for this long is closed, ms; 0: no limit. */
  readonly idleTimeoutMs: number
  /** A connection this old is closed when it is idle, and not taken any more, ms; 0: no limit. */
  readonly maxAgeMs: number
  /** A connection is closed after this many uses; 0: no limit. */
  readonly maxUses: number
}

const KEYS = ['min', 'max', 'maxWaiting', 'idleTimeoutMs', 'maxAgeMs', 'maxUses'] as const

/** @throws TidegateError `value_invalid`: not a whole number, or `min` is over `max`. */
export const checkIdleOptions = (options: IdlePoolOptions): void => {
  for (const key of KEYS) checkWhole(key, options[key])
  const { min, max } = options
  if (max > 0 && min > max)
    throw new TidegateError('value_invalid', `min: ${min} is over max, which is ${max}`, {
      fault: 'usage',
      where: 'min',
    })
}
