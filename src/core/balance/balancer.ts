/**
 * Which endpoint the next client gets.
 *
 * - candidate: an endpoint that may get it now: in service, not full, not tried for this client before
 * - pick: the choice among the candidates; to try again is to pick again among fewer of them
 *
 * A balancer is one thread's and one upstream's. What threads have in common is only what {@link Candidate.active} says.
 */

import type { Address } from '../address.js'
import type { Candidate } from './candidate.js'
import { LeastLoaded } from './least-loaded.js'
import type { BalancePolicy } from './policy.js'
import { pickBySource } from './source-hash.js'
import { Turns } from './turns.js'
import { pickOfTwo } from './two-choices.js'

export interface Balancer {
  /**
   * Null only when there is no candidate. Allocates nothing for one, and for more only to break a tie.
   * @param candidates in the order of the config, none twice
   * @param random a number from 0 up to but not 1
   */
  pick<C extends Candidate>(candidates: readonly C[], client: Address, random: () => number): C | null
}

const MAKERS: Readonly<Record<BalancePolicy, () => Balancer>> = {
  first: () => ({ pick: (candidates) => candidates[0] ?? null }),
  round_robin: () => {
    const turns = new Turns()
    return { pick: (candidates) => turns.pick(candidates) }
  },
  least_conn: () => {
    const leastLoaded = new LeastLoaded()
    return { pick: (candidates) => leastLoaded.pick(candidates) }
  },
  random: () => ({ pick: (candidates, _client, random) => pickOfTwo(candidates, random) }),
  source_hash: () => ({ pick: pickBySource }),
}

export const createBalancer = (policy: BalancePolicy): Balancer => MAKERS[policy]()
