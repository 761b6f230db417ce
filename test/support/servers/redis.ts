/** A Redis server of the test's own: memory only, loopback only. */

import { startDaemon } from '../processes.js'
import type { Scope } from '../scope.js'
import { freePort, LOOPBACK, waitUntilAccepting } from '../sockets.js'
import { toolPath } from '../tools.js'

export const startRedis = async (scope: Scope): Promise<number> => {
  const port = await freePort()
  const settings = {
    '--port': String(port),
    '--bind': LOOPBACK,
    '--dir': scope.tempDir(),
    '--save': '',
    '--appendonly': 'no',
  }
  const redis = startDaemon(scope, toolPath('redis-server'), Object.entries(settings).flat())
  await waitUntilAccepting(redis, port)
  return port
}
