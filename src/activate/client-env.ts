/**
 * What a process that serves one client is told of it: REMOTE_ADDR and REMOTE_PORT as by systemd (systemd.exec(5)), with their
 * counterparts for this side, and ucspi's variables (tcp-environ(5)).
 */

import type { Address } from '../core/address.js'

type Env = Readonly<Record<string, string>>

const VARIABLES = [
  'REMOTE_ADDR',
  'REMOTE_PORT',
  'LOCAL_ADDR',
  'LOCAL_PORT',
  'PROTO',
  'TCPREMOTEIP',
  'TCPREMOTEPORT',
  'TCPLOCALIP',
  'TCPLOCALPORT',
] as const

const remote = (client: Address): Env =>
  client.kind === 'unix'
    ? {}
    : {
        REMOTE_ADDR: client.host,
        REMOTE_PORT: String(client.port),
        TCPREMOTEIP: client.host,
        TCPREMOTEPORT: String(client.port),
      }

const here = (local: Address): Env =>
  local.kind === 'unix'
    ? { LOCAL_ADDR: local.path, PROTO: 'UNIX' }
    : {
        LOCAL_ADDR: local.host,
        LOCAL_PORT: String(local.port),
        PROTO: 'TCP',
        TCPLOCALIP: local.host,
        TCPLOCALPORT: String(local.port),
      }

/** `base` with the client's variables; what another had put there under these names is gone. */
export const clientEnv = (base: NodeJS.ProcessEnv, client: Address, local: Address): NodeJS.ProcessEnv => {
  const env = { ...base }
  for (const name of VARIABLES) delete env[name]
  return Object.assign(env, here(local), remote(client))
}
