/**
 * How many connections pools may really keep ready. A config names endpoints, a name may stand for many addresses, and each of
 * them gets `min` connections: more than were planned for the config, perhaps more than there are descriptors.
 *
 * - planned: `min` for each endpoint of the config. That fits, or the config would have been refused
 * - grown: an upstream that has more addresses than endpoints. What is left is divided among those
 */

export interface PoolNeeds {
  readonly upstream: string
  readonly min: number
  readonly endpoints: number
  /** At least as many as there are endpoints. */
  readonly addresses: number
}

const planned = ({ min, endpoints }: PoolNeeds): number => min * endpoints
const grown = ({ min, endpoints, addresses }: PoolNeeds): number => min * (addresses - endpoints)

const sum = (pools: readonly PoolNeeds[], of: (pool: PoolNeeds) => number): number =>
  pools.reduce((total, pool) => total + of(pool), 0)

/**
 * The `min` of each upstream, for each of its addresses: its own, or less for those that have grown, if all together would be more than
 * `room`. Less than one for each address is none.
 */
export const warmFor = (pools: readonly PoolNeeds[], room: number): ReadonlyMap<string, number> => {
  const wanted = sum(pools, grown)
  const left = Math.max(0, room - sum(pools, planned))
  const minOf = (pool: PoolNeeds): number => {
    if (wanted <= left || grown(pool) === 0) return pool.min
    const part = planned(pool) + Math.floor((grown(pool) * left) / wanted)
    return Math.floor(part / pool.addresses)
  }
  return new Map(pools.map((pool) => [pool.upstream, minOf(pool)]))
}
