/**
 * Who may come in at one listener, and how many at once.
 *
 * - refuse: the connection that is too many is reset, with reason `limit`
 * - wait: accepting pauses at the maximum, so that it stays in the backlog until a place is free
 */

import type { Address } from '../address.js'
import type { CloseReason } from '../close-reason.js'

export type Overflow = 'wait' | 'refuse'

export interface AdmissionRules {
  readonly allows: (client: Address) => boolean
  /** 0: no limit. */
  readonly maxConnections: number
  readonly overflow: Overflow
}

export type Admission =
  | { readonly admitted: true }
  | { readonly admitted: false; readonly reason: CloseReason }

const ADMITTED: Admission = { admitted: true }

/** `active` does not count the client in question. */
export const admit = (rules: AdmissionRules, client: Address, active: number): Admission => {
  if (!rules.allows(client)) return { admitted: false, reason: 'denied' }
  const full = rules.maxConnections > 0 && active >= rules.maxConnections
  return full && rules.overflow === 'refuse' ? { admitted: false, reason: 'limit' } : ADMITTED
}

/** Whether the listener is to stop accepting until one of its connections has ended. */
export const shouldPause = (rules: AdmissionRules, active: number): boolean =>
  rules.overflow === 'wait' && rules.maxConnections > 0 && active >= rules.maxConnections
