/** Somebody else at the address where a service is about to be started: clients must not be connected to whoever that is. */

import { type Address, formatAddress } from '../core/address.js'
import { knock } from './knock.js'
import { holderOf, listeningPlaces } from './listening.js'

/** On this machine the answer is there at once; elsewhere nobody waits for long. */
const KNOCK_MS = 200

/**
 * Somebody else than the group where one was found to be ready: who came while it started, or a proxy that serves it (a container's).
 * One line for people; null: nobody, or nothing is known of it.
 */
export const strangerInstead = async (
  group: number,
  endpoints: readonly Address[],
): Promise<string | null> => {
  const places = await listeningPlaces(group)
  const ports = endpoints.flatMap((address) => (address.kind === 'tcp' ? [address] : []))
  if (places === null || ports.length < endpoints.length) return null
  if (places.some((place) => ports.some(({ port }) => place.endsWith(`:${port}`)))) return null
  for (const address of ports) {
    const holder = await holderOf(address.host, address.port)
    if (holder !== null)
      return `it is ${holder} that listens at ${formatAddress(address)}, and not what was started`
  }
  return null
}

/** One line for people; null: nobody is there. */
export const strangerAt = async (endpoints: readonly Address[]): Promise<string | null> => {
  const answers = await Promise.all(endpoints.map((address) => knock(address, KNOCK_MS).answer))
  const at = answers.indexOf(true)
  const taken = endpoints[at]
  if (taken === undefined) return null
  const holder = taken.kind === 'tcp' ? await holderOf(taken.host, taken.port) : null
  return `${holder ?? 'something else'} listens at ${formatAddress(taken)} already, where nobody was expected before the start`
}
