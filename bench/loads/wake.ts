/** A redis that is not there until somebody needs it: how long it takes by itself, and through whoever starts it on demand. */

import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Target } from '../contenders/start.js'
import { LOOPBACK } from '../machine/ports.js'
import { startProgram } from '../machine/programs.js'
import type { Scope } from '../machine/scope.js'
import type { Site } from './bench-site.js'

/** In memory only. */
export const redisCommand = ({ tool }: Site, port: number): readonly [string, ...string[]] => [
  tool('redis-server'),
  ...[
    '--port',
    String(port),
    '--bind',
    LOOPBACK,
    '--save',
    '',
    '--appendonly',
    'no',
    '--loglevel',
    'warning',
  ],
]

const PATIENCE_MS = 10_000
const LOOK_EVERY_MS = 1

/** Whether a PING is answered. */
const isAnswered = async (port: number): Promise<boolean> => {
  const socket = connect({ port, host: LOOPBACK, noDelay: true })
  socket.write('PING\r\n')
  try {
    const [answer] = (await once(socket, 'data')) as [Buffer]
    return answer.toString() === '+PONG\r\n'
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

const until = async (what: string, is: () => Promise<boolean>): Promise<void> => {
  const deadline = performance.now() + PATIENCE_MS
  while (!(await is())) {
    if (performance.now() > deadline) throw new Error(`${what} took more than ${PATIENCE_MS / 1000} s`)
    await sleep(LOOK_EVERY_MS)
  }
}

const refuses = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, LOOPBACK)
    socket.once('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.once('error', () => resolve(true))
  })

/** ms from its start until it answers, asked every millisecond. */
const ownTime = async (site: Site, port: number): Promise<number> => {
  const scope: Scope = site.scope.child()
  try {
    const before = performance.now()
    const redis = startProgram(scope, site.cores.contender(redisCommand(site, port)))
    await until('its own start', async () => {
      if (!redis.isRunning()) throw new Error(`redis-server has ended: ${redis.lastWords()}`)
      return isAnswered(port)
    })
    return performance.now() - before
  } finally {
    await scope.end()
  }
}

/** ms from a client's coming to the answer. */
const wokenTime = async ({ port, upstreamPort }: Target): Promise<number> => {
  const before = performance.now()
  if (!(await isAnswered(port))) throw new Error('the client that woke it was not served')
  const took = performance.now() - before
  await until('being stopped', () => refuses(upstreamPort))
  return took
}

/** One after the other, so that what slows the machine down slows down both. ms. */
export interface WakePair {
  readonly own: number
  readonly woken: number
}

/** For about so long, once at least. */
export const runWakes = async (site: Site, target: Target, seconds: number): Promise<readonly WakePair[]> => {
  const pairs: WakePair[] = []
  const end = performance.now() + seconds * 1000
  do pairs.push({ own: await ownTime(site, target.upstreamPort), woken: await wokenTime(target) })
  while (performance.now() < end)
  return pairs
}
