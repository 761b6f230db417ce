/**
 * Whether an endpoint may get clients, from all that is known of it, and in which order endpoints are asked.
 *
 * - up: nothing speaks against it
 * - ejected: clients' dials failed lately; only asked when nobody is up
 * - down: its checks say so; never asked
 * - backup: only asked while no other endpoint is in service
 */

import { isEjected } from './passive.js'

export type Availability = 'up' | 'ejected' | 'down'

/** The checks have the last word: they look at the endpoint itself, where a dial may fail for other reasons. */
export const availabilityOf = (isDown: boolean, ejectedUntil: number, now: number): Availability => {
  if (isDown) return 'down'
  return isEjected(ejectedUntil, now) ? 'ejected' : 'up'
}

interface Standing {
  readonly backup: boolean
}

/** Ranks: everybody of a lower one is asked before anybody of a higher one. */
const NEVER = 4
const PRIMARY_RANKS: Readonly<Record<Availability, number>> = { up: 0, ejected: 2, down: NEVER }
const BACKUP_RANKS: Readonly<Record<Availability, number>> = { up: 1, ejected: 3, down: NEVER }

/**
 * Those that may get the next client: the primaries that are up; if none is, the backups that are; if nobody is, the
 * ejected ones anyway (primaries first), rather than nobody. To try again, leave out those that were tried.
 *
 * Whether an endpoint is full does not count here: backups stand in for those out of service, not for busy ones.
 *
 * @param availability asked once of each, since other threads may change it meanwhile
 * @returns the very array when all of them may, as is usual: nothing is allocated then
 */
export const eligible = <E extends Standing>(
  endpoints: readonly E[],
  availability: (endpoint: E) => Availability,
): readonly E[] => {
  let best = NEVER
  /** Those of the best rank; null while that is everybody so far. */
  let chosen: E[] | null = null
  endpoints.forEach((endpoint, index) => {
    const rank = (endpoint.backup ? BACKUP_RANKS : PRIMARY_RANKS)[availability(endpoint)]
    if (index === 0) best = rank
    else if (rank < best) {
      best = rank
      chosen = [endpoint]
    } else if (rank > best) chosen ??= endpoints.slice(0, index)
    else chosen?.push(endpoint)
  })
  if (best === NEVER) return []
  return chosen ?? endpoints
}
