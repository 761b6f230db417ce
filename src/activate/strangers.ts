/** Somebody else at the address where a service is about to be started: clients must not be connected to whoever that is. */

import { type Address, formatAddress } from '../core/address.js'
import { knock } from './knock.js'
import { holderOf } from './listening.js'

/** On this machine the answer is there at once; elsewhere nobody waits for long. */
const KNOCK_MS = 200

/** One line for people; null: nobody is there. */
export const strangerAt = async (endpoints: readonly Address[]): Promise<string | null> => {
  const answers = await Promise.all(endpoints.map((address) => knock(address, KNOCK_MS).answer))
  const at = answers.indexOf(true)
  const taken = endpoints[at]
  if (taken === undefined) return null
  const holder = taken.kind === 'tcp' ? await holderOf(taken.host, taken.port) : null
  return `${holder ?? 'something else'} listens at ${formatAddress(taken)} already, where nobody was expected before the start`
}
