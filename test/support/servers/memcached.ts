/** A memcached of the test's own: loopback only. */

import { userInfo } from 'node:os'
import { startDaemon } from '../processes.js'
import type { Scope } from '../scope.js'
import { freePort, LOOPBACK, waitUntilAccepting } from '../sockets.js'
import { toolPath } from '../tools.js'

export const startMemcached = async (scope: Scope): Promise<number> => {
  const port = await freePort()
  // As root it wants to be told whom to be.
  const args = ['-l', LOOPBACK, '-p', String(port), '-U', '0', '-m', '16', '-u', userInfo().username]
  await waitUntilAccepting(startDaemon(scope, toolPath('memcached'), args), port)
  return port
}
