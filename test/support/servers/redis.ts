/** A Redis server of the test's own: memory only, loopback only. */

import { type Daemon, startDaemon } from '../processes.js'
import type { Scope } from '../scope.js'
import { freePort, LOOPBACK, waitUntilAccepting } from '../sockets.js'
import { toolPath } from '../tools.js'

export interface RedisServer {
  readonly port: number
  /** At once and without a word, as by `kill -9`. Resolves when it is no more. */
  kill(): Promise<void>
  /** Starts it anew, at the same port. */
  start(): Promise<void>
}

/** What starts one, in the foreground. */
export const redisCommand = (scope: Scope, port: number): readonly [string, ...string[]] => {
  const settings = {
    '--port': String(port),
    '--bind': LOOPBACK,
    '--dir': scope.tempDir(),
    '--save': '',
    '--appendonly': 'no',
  }
  return [toolPath('redis-server'), ...Object.entries(settings).flat()]
}

export const startRedisServer = async (scope: Scope): Promise<RedisServer> => {
  const port = await freePort()
  const [command, ...args] = redisCommand(scope, port)
  const start = async (): Promise<Daemon> => {
    const started = startDaemon(scope, command, args)
    await waitUntilAccepting(started, port)
    return started
  }
  let redis = await start()
  return {
    port,
    kill: () => redis.stop('SIGKILL'),
    start: async () => {
      redis = await start()
    },
  }
}

export const startRedis = async (scope: Scope): Promise<number> => (await startRedisServer(scope)).port
