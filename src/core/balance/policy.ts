/**
 * How an upstream's clients are shared out among its endpoints.
 *
 * - `first`: the first that can be used, in the order written
 * - `round_robin`: in turns, by weight
 * - `least_conn`: the one with the fewest connections for its weight
 * - `random`: of two drawn by weight, the less loaded
 * - `source_hash`: by the client's IP address; the same client comes to the same endpoint
 */
export const BALANCE_POLICIES = ['first', 'round_robin', 'least_conn', 'random', 'source_hash'] as const

export type BalancePolicy = (typeof BALANCE_POLICIES)[number]
