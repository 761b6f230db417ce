/** What a new client waits for when the service is far away: its gateway's handshake with it, unless that is over already. */

import type { Contender } from '../contenders/contender.js'
import { runFirstBytes, startEcho } from '../loads/echo.js'
import { allButBulkOnly, direct, type Entrant, type Figure } from './figure.js'

const ONE_WAY_MS = 10
const ROUND_TRIP_MS = 2 * ONE_WAY_MS

/** Those that have pools also with each kind of it. */
const withPools = (contenders: readonly Contender[]): readonly Entrant[] =>
  allButBulkOnly(contenders).flatMap((entrant) => [
    entrant,
    ...(entrant.contender?.canPool
      ? (['prewarm', 'reuse'] as const).map((pool) => ({
          ...entrant,
          id: `${entrant.id}+${pool}`,
          title: `${entrant.title}, ${pool}`,
          pool,
        }))
      : []),
  ])

export const firstByte: Figure = {
  id: 'first-byte',
  title: `First byte, service ${ONE_WAY_MS} ms away`,
  how: `One new client after another, from its connecting to the first byte of the reply of an echo service, ${ONE_WAY_MS} ms away each way from whoever relays. Pools: \`prewarm\` with \`min: 4\`, \`reuse\` with \`stateless: true\`.`,
  metrics: [
    { id: 'p50', title: 'p50', unit: 'ms', better: 'lower' },
    { id: 'p99', title: 'p99', unit: 'ms', better: 'lower' },
    { id: 'roundTrips', title: 'p50', unit: `round trips of ${ROUND_TRIP_MS} ms`, better: 'lower' },
  ],
  tools: [],
  diskBytes: 0,
  fresh: false,
  warmUp: true,
  layout: null,
  oneWayMs: ONE_WAY_MS,
  // Most of it is the delay, which is the same each time.
  mostRounds: 3,
  entrants: (contenders) => {
    const proxies = withPools(contenders)
    return [...proxies.slice(0, 1).map(({ baseline }) => direct(baseline)), ...proxies]
  },
  startBackend: startEcho,
  measure: async (site, target, seconds) => {
    const { p50, p99 } = await runFirstBytes(site, target, seconds)
    return { p50, p99, roundTrips: p50 / ROUND_TRIP_MS }
  },
}
