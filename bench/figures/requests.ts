/** HTTP requests over 32 connections, kept alive or a new one each. */

import { startHttpService } from '../loads/nginx.js'
import { runWrk } from '../loads/wrk.js'
import { allButBulkOnly, type Figure } from './figure.js'

const MICROSECONDS = 1e6

export const CPU_PER_REQUEST = {
  id: 'cpuPerRequest',
  title: 'CPU per request',
  unit: 'µs',
  better: 'lower',
} as const

const requests = (names: Pick<Figure, 'how' | 'id' | 'title'>, close: boolean): Figure => ({
  ...names,
  metrics: [
    { ...CPU_PER_REQUEST, title: close ? 'CPU per connection' : 'CPU per request' },
    { id: 'rate', title: close ? 'connections' : 'requests', unit: '1/s', better: 'higher' },
    { id: 'p50', title: 'p50', unit: 'µs', better: 'lower' },
    { id: 'p99', title: 'p99', unit: 'µs', better: 'lower' },
  ],
  tools: ['wrk', 'nginx'],
  diskBytes: 0,
  fresh: false,
  warmUp: true,
  layout: null,
  oneWayMs: 0,
  mostRounds: Number.POSITIVE_INFINITY,
  entrants: allButBulkOnly,
  startBackend: startHttpService,
  measure: async (site, target, seconds) => {
    const before = await target.cpuSeconds()
    const answered = await runWrk(site, target.port, seconds, close)
    return {
      [CPU_PER_REQUEST.id]: (((await target.cpuSeconds()) - before) * MICROSECONDS) / answered.requests,
      rate: answered.requests / answered.seconds,
      p50: answered.p50,
      p99: answered.p99,
    }
  },
})

export const keepAlive = requests(
  {
    id: 'keep-alive',
    title: 'Keep-alive requests',
    how: 'wrk, 32 connections, to an nginx that answers 12 bytes.',
  },
  false,
)

export const newConnections = requests(
  {
    id: 'new-connections',
    title: 'New connection per request',
    how: 'As keep-alive, with `Connection: close`.',
  },
  true,
)
