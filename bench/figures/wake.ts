/** A service that is not there before its first client: what that waits for beyond the service's own start. */

import { redisCommand, runWakes } from '../loads/wake.js'
import { freePort } from '../machine/ports.js'
import { median } from '../report/statistics.js'
import type { Figure } from './figure.js'

/** A wake takes up to two seconds, and more of them make a better median. */
const SECONDS_EACH = 5

export const wake: Figure = {
  id: 'wake',
  title: 'First connection wakes redis',
  how: 'Nothing runs until a client comes; from its connecting to the reply to its PING, beyond what redis, started directly in turns with that, takes until it answers.',
  metrics: [
    { id: 'added', title: 'added, p50', unit: 'ms', better: 'lower' },
    { id: 'first', title: 'in all, p50', unit: 'ms', better: 'lower' },
    { id: 'wakes', title: 'a round has', unit: 'wakes', better: 'higher' },
  ],
  tools: ['redis-server'],
  diskBytes: 0,
  fresh: false,
  warmUp: true,
  layout: null,
  oneWayMs: 0,
  mostRounds: 3,
  entrants: (contenders) => {
    const wakers = contenders.filter(({ canWake }) => canWake)
    const baseline = (wakers.find(({ only }) => only === 'wake') ?? wakers[0])?.id ?? ''
    return wakers.map((contender) => ({
      id: contender.id,
      title: contender.title,
      contender,
      records: false,
      pool: null,
      wakes: redisCommand,
      baseline,
    }))
  },
  // Nobody is there yet.
  startBackend: freePort,
  measure: async (site, target, seconds) => {
    const pairs = await runWakes(site, target, seconds * SECONDS_EACH)
    return {
      added: median(pairs.map(({ own, woken }) => woken - own)),
      first: median(pairs.map(({ woken }) => woken)),
      wakes: pairs.length,
    }
  },
}
