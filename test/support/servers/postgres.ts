/** A PostgreSQL cluster of the test's own, without passwords, without a unix socket, on loopback. */

import { chmodSync, chownSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Daemon, runWell, startDaemon } from '../processes.js'
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
  /** Where its data is, and its unix socket if it has one. */
  readonly directory: string
  /** What starts its server, in the foreground. */
  readonly command: readonly [string, ...string[]]
  /** Whom that has to run as; null: as whoever runs the tests. */
  readonly owner: Owner | null
}

export interface ClusterOptions {
  /** It also listens on a unix socket, in its directory. Default false. */
  readonly unixSocket?: boolean
  /** Over TCP it asks for {@link POSTGRES_PASSWORD}; over the unix socket never. Default false. */
  readonly passwords?: boolean
}

/** Of the superuser, where one is asked for. */
export const POSTGRES_PASSWORD = 'c0rrect-horse'

export const makeCluster = async (
  scope: Scope,
  { unixSocket = false, passwords = false }: ClusterOptions = {},
): Promise<PostgresCluster> => {
  const directory = scope.tempDir()
  const who = await findOwner()
  if (who !== null) {
    chmodSync(directory, 0o700)
    chownSync(directory, who.uid, who.gid)
  }
  const data = join(directory, 'data')
  const options = ['-U', POSTGRES_USER, '--auth=trust', '--no-sync', '--no-locale', '--encoding=UTF8']
  if (passwords) {
    const file = join(directory, 'password')
    writeFileSync(file, POSTGRES_PASSWORD)
    options.push('--auth-host=scram-sha-256', `--pwfile=${file}`)
  }
  const init = asOwner(who, toolPath('initdb'), ['-D', data, ...options])
  await runWell(init[0], init[1], { cwd: '/' })
  const port = await freePort()
  const settings = {
    listen_addresses: LOOPBACK,
    port,
    unix_socket_directories: unixSocket ? directory : '',
    fsync: 'off',
    shared_buffers: '32MB',
    max_connections: 40,
    dynamic_shared_memory_type: 'mmap',
  }
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  return { port, directory, command: [toolPath('postgres'), '-D', data, ...args], owner: who }
}

/** Its server, which may be started again after it has ended. */
export const startCluster = async (
  scope: Scope,
  { port, command, owner }: PostgresCluster,
): Promise<Daemon> => {
  const [program, ...args] = command
  const server = asOwner(owner, program, args)
  const postgres = startDaemon(scope, server[0], server[1], { cwd: '/' })
  // SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for clients.
  scope.defer(() => postgres.stop('SIGINT', 15_000))
  await waitUntilAccepting(postgres, port)
  return postgres
}

export const startPostgres = async (scope: Scope): Promise<number> => {
  const cluster = await makeCluster(scope)
  await startCluster(scope, cluster)
  return cluster.port
}
