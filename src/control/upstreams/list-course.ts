/** Addresses that a hook gave: each is dialled once, in order. */

import type { Address } from '../../core/address.js'
import { TidegateError } from '../../errors.js'
import type { Course, Next, Reach } from './reach.js'

export class ListCourse implements Course {
  readonly #addresses: readonly Address[]
  #at = 0

  constructor(addresses: readonly Address[]) {
    this.#addresses = addresses
  }

  next({ lastError }: Reach): Next {
    const address = this.#addresses[this.#at++]
    return address === undefined ? unreached(lastError) : { kind: 'dial', address, place: null }
  }

  /** Nobody waits here. */
  forget(): void {}
}

/** All that could be tried has been. */
export const unreached = (error: TidegateError | null): Next => ({
  kind: 'none',
  reason: error?.code === 'dial_timeout' || error?.code === 'wake_failed' ? error.code : 'dial_failed',
  error: error ?? new TidegateError('dial_failed', 'there is no endpoint to dial', { fault: 'usage' }),
})
