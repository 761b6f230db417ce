/** A PostgreSQL cluster of the test's own, without passwords, without a unix socket, on loopback. */

import { chmodSync, chownSync } from 'node:fs'
import { join } from 'node:path'
import { runWell, startDaemon } from '../processes.js'
import type { Scope } from '../scope.js'
import { freePort, LOOPBACK, waitUntilAccepting } from '../sockets.js'
import { toolPath } from '../tools.js'

/** The cluster's superuser. */
export const POSTGRES_USER = 'tidegate'

/** Whom to run as: PostgreSQL refuses to be root. */
interface Owner {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

const idOf = async (option: '-u' | '-g', name: string): Promise<number> =>
  Number((await runWell(toolPath('id'), [option, name])).stdout.toString())

const findOwner = async (): Promise<Owner | null> => {
  if (process.getuid?.() !== 0) return null
  for (const name of ['postgres', 'nobody']) {
    try {
      return { name, uid: await idOf('-u', name), gid: await idOf('-g', name) }
    } catch {
      // No such user here: the next.
    }
  }
  throw new Error('neither a user postgres nor a user nobody to run PostgreSQL as')
}

/** As `owner`, and in its own place of the process: setpriv replaces itself, so the pid stays the daemon's. */
const asOwner = (who: Owner | null, command: string, args: readonly string[]): readonly [string, string[]] =>
  who === null
    ? [command, [...args]]
    : [
        toolPath('setpriv'),
        [`--reuid=${who.uid}`, `--regid=${who.gid}`, '--clear-groups', '--', command, ...args],
      ]

export interface PostgresCluster {
  readonly port: number
  /** What starts its server, in the foreground. */
  readonly command: readonly [string, ...string[]]
  /** Whom that has to run as; null: as whoever runs the tests. */
  readonly owner: Owner | null
}

export const makeCluster = async (scope: Scope): Promise<PostgresCluster> => {
  const directory = scope.tempDir()
  const who = await findOwner()
  if (who !== null) {
    chmodSync(directory, 0o700)
    chownSync(directory, who.uid, who.gid)
  }
  const data = join(directory, 'data')
  const options = ['-U', POSTGRES_USER, '--auth=trust', '--no-sync', '--no-locale', '--encoding=UTF8']
  const init = asOwner(who, toolPath('initdb'), ['-D', data, ...options])
  await runWell(init[0], init[1], { cwd: '/' })
  const port = await freePort()
  const settings = {
    listen_addresses: LOOPBACK,
    port,
    unix_socket_directories: '',
    fsync: 'off',
    shared_buffers: '32MB',
    max_connections: 40,
    dynamic_shared_memory_type: 'mmap',
  }
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  return { port, command: [toolPath('postgres'), '-D', data, ...args], owner: who }
}

export const startPostgres = async (scope: Scope): Promise<number> => {
  const { port, command, owner } = await makeCluster(scope)
  const [program, ...args] = command
  const server = asOwner(owner, program, args)
  const postgres = startDaemon(scope, server[0], server[1], { cwd: '/' })
  // SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for clients.
  scope.defer(() => postgres.stop('SIGINT', 15_000))
  await waitUntilAccepting(postgres, port)
  return port
}
