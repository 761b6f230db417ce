/** As many bytes as go through, one way. */

import { runIperf3, startIperf3 } from '../loads/iperf3.js'
import { everybody, type Figure } from './figure.js'

export const GIGABYTE = 1e9

export const CPU_PER_GIGABYTE = {
  id: 'cpuPerGB',
  title: 'CPU per gigabyte',
  unit: 's/GB',
  better: 'lower',
} as const

const bulk = (names: Pick<Figure, 'id' | 'mostRounds' | 'title'>, downstream: boolean): Figure => ({
  ...names,
  how: `iperf3, several streams, ${downstream ? 'from the service to the client' : 'from the client to the service'}.`,
  metrics: [{ id: 'rate', title: 'throughput', unit: 'GB/s', better: 'higher' }, CPU_PER_GIGABYTE],
  tools: ['iperf3'],
  diskBytes: 0,
  fresh: false,
  warmUp: true,
  layout: null,
  oneWayMs: 0,
  entrants: everybody,
  startBackend: startIperf3,
  measure: async (site, target, seconds) => {
    const before = await target.cpuSeconds()
    const moved = await runIperf3(site, target.port, seconds, downstream)
    const gigabytes = moved.bytes / GIGABYTE
    return {
      rate: gigabytes / moved.seconds,
      [CPU_PER_GIGABYTE.id]: ((await target.cpuSeconds()) - before) / gigabytes,
    }
  },
})

export const upload = bulk({ id: 'bulk', title: 'Bulk', mostRounds: Number.POSITIVE_INFINITY }, false)
export const download = bulk({ id: 'bulk-down', title: 'Bulk, downstream', mostRounds: 3 }, true)
