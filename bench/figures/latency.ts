/** One small message at a time over one connection: what a proxy adds to a round trip. */

import { runPingPong, startEcho } from '../loads/echo.js'
import { allButBulkOnly, direct, type Figure } from './figure.js'

export const latency: Figure = {
  id: 'latency',
  title: 'Small-message latency',
  how: 'One connection, 64 bytes to an echo service and back, one at a time; all on one core.',
  metrics: [
    { id: 'p50', title: 'p50', unit: 'µs', better: 'lower' },
    { id: 'p99', title: 'p99', unit: 'µs', better: 'lower' },
  ],
  tools: [],
  diskBytes: 0,
  fresh: false,
  warmUp: true,
  // One waits for the other anyway. On cores of their own, most of the time would be that of waking an idle core.
  layout: 'together',
  oneWayMs: 0,
  mostRounds: Number.POSITIVE_INFINITY,
  entrants: (contenders) => {
    const proxies = allButBulkOnly(contenders)
    return proxies
      .slice(0, 1)
      .map(({ baseline }) => direct(baseline))
      .concat(proxies)
  },
  startBackend: startEcho,
  measure: async (site, { port }, seconds) => {
    const { p50, p99 } = await runPingPong(site, port, seconds)
    return { p50, p99 }
  },
}
