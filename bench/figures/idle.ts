/** Memory held for connections on which nothing moves. */

import { startEcho } from '../loads/echo.js'
import { withIdleConnections } from '../loads/idle.js'
import { settled } from '../machine/settle.js'
import { allButBulkOnly, type Figure } from './figure.js'

/** Opened and closed first, so that what is made once is not counted. */
const FIRST_CONNECTIONS = 64

/** Memory that still changes after this long is what it is. */
const SETTLE_MS = 3000

export const idle: Figure = {
  id: 'idle',
  title: 'Idle connections',
  how: 'Growth of resident memory with 3,500 connections, or as many as limits allow, that have each sent a byte.',
  metrics: [{ id: 'perConnection', title: 'memory per connection', unit: 'KiB', better: 'lower' }],
  tools: [],
  diskBytes: 0,
  fresh: true,
  warmUp: false,
  layout: null,
  oneWayMs: 0,
  mostRounds: 3,
  entrants: allButBulkOnly,
  startBackend: startEcho,
  measure: async ({ idleConnections }, target) => {
    const count = Math.min(idleConnections, target.mostConnections)
    await withIdleConnections(target.port, FIRST_CONNECTIONS, async () => {})
    const before = await settled(target.residentKiB, SETTLE_MS)
    const during = await withIdleConnections(target.port, count, () => settled(target.residentKiB, SETTLE_MS))
    return { perConnection: (during - before) / count }
  },
}
