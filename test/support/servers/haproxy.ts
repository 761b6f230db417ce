/** HAProxy as a proxy in front: it says whose connection it brings in a PROXY header. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startDaemon } from '../processes.js'
import type { Scope } from '../scope.js'
import { freePort, LOOPBACK, waitUntilAccepting } from '../sockets.js'
import { toolPath } from '../tools.js'

export interface Haproxy {
  readonly port: number
}

const config = (port: number, server: string): string => `
global
  maxconn 200
defaults
  mode tcp
  timeout connect 10s
  timeout client 60s
  timeout server 60s
listen front
  bind ${LOOPBACK}:${port}
  server behind ${server}
`

/** Relays what comes to a port of its own. `options`: of the server line, e.g. `send-proxy`. */
export const startHaproxy = async (scope: Scope, upstreamPort: number, options: string): Promise<Haproxy> => {
  const directory = scope.tempDir()
  const port = await freePort()
  const file = join(directory, 'haproxy.cfg')
  writeFileSync(file, config(port, `${LOOPBACK}:${upstreamPort} ${options}`))
  // In the foreground, one process.
  const daemon = startDaemon(scope, toolPath('haproxy'), ['-db', '-f', file])
  await waitUntilAccepting(daemon, port)
  return { port }
}
