/**
 * Who may come in at one listener, and how many at once.
 *
 * - place: what an admitted connection takes until it ends; a listener with a maximum has that many
 * - refuse: the connection that finds no place is reset, with reason `limit`
 * - wait: it has to wait until a place is free, in the backlog or, accepted already, unread
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

/** Who counts the places. */
export interface Places {
  /** Takes one, unless `max` are taken already (0: no limit). */
  take(max: number): boolean
}

export type Admission =
  | { readonly admitted: true }
  | {
      readonly admitted: false
      readonly reason: CloseReason
      /** More detail for the log, when the reason alone does not tell. */
      readonly error?: Error | undefined
    }

const ADMITTED: Admission = { admitted: true }
export const DENIED: Admission = { admitted: false, reason: 'denied' }
const TOO_MANY: Admission = { admitted: false, reason: 'limit' }

/** A client that is admitted has taken a place. */
export const admit = (rules: AdmissionRules, client: Address, places: Places): Admission | 'wait' => {
  if (!rules.allows(client)) return DENIED
  if (places.take(rules.maxConnections)) return ADMITTED
  return rules.overflow === 'refuse' ? TOO_MANY : 'wait'
}

/** At how many places taken the listener stops accepting; 0: never. */
export const pausesAt = ({ overflow, maxConnections }: AdmissionRules): number =>
  overflow === 'wait' ? maxConnections : 0
