/** An OpenSSH server of the test's own: its own host key, one client key, the user who runs the tests. */

import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { runWell, startDaemon } from '../processes.js'
import type { Scope } from '../scope.js'
import { freePort, LOOPBACK, waitUntilAccepting } from '../sockets.js'
import { toolPath } from '../tools.js'

export interface Sshd {
  readonly port: number
  readonly user: string
  /** Options for `ssh` and `scp`: the client's key, and the server's real key checked whatever port it is reached by. */
  readonly clientOptions: readonly string[]
}

/** Where Debian's sshd, run by root, wants an empty directory; the package's service makes it at start. */
const PRIVILEGE_SEPARATION_DIRECTORY = '/run/sshd'

const HOST_ALIAS = 'tidegate-test'

const makeKey = async (path: string): Promise<void> => {
  await runWell(toolPath('ssh-keygen'), ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', path])
}

const publicKey = async (path: string): Promise<string> =>
  (await runWell(toolPath('ssh-keygen'), ['-y', '-f', path])).stdout.toString().trim()

interface Prepared extends Omit<Sshd, 'port'> {
  readonly configFile: string
}

/** Keys, and a config with these lines on top. */
const prepareSshd = async (scope: Scope, lines: readonly string[]): Promise<Prepared> => {
  const directory = scope.tempDir()
  const file = (name: string): string => join(directory, name)
  await Promise.all([makeKey(file('host_key')), makeKey(file('client_key'))])
  writeFileSync(file('authorized_keys'), `${await publicKey(file('client_key'))}\n`, { mode: 0o600 })
  writeFileSync(file('known_hosts'), `${HOST_ALIAS} ${await publicKey(file('host_key'))}\n`)
  writeFileSync(
    file('sshd_config'),
    [
      ...lines,
      `HostKey ${file('host_key')}`,
      `PidFile ${file('sshd.pid')}`,
      `AuthorizedKeysFile ${file('authorized_keys')}`,
      'AuthenticationMethods publickey',
      'PermitRootLogin prohibit-password',
      'StrictModes no',
      'UsePAM no',
      'UseDNS no',
      'Subsystem sftp internal-sftp',
      '',
    ].join('\n'),
  )
  if (process.getuid?.() === 0 && !existsSync(PRIVILEGE_SEPARATION_DIRECTORY)) {
    mkdirSync(PRIVILEGE_SEPARATION_DIRECTORY, { mode: 0o755 })
    scope.defer(() => rmdirSync(PRIVILEGE_SEPARATION_DIRECTORY))
  }
  const options = {
    IdentityFile: file('client_key'),
    IdentitiesOnly: 'yes',
    UserKnownHostsFile: file('known_hosts'),
    GlobalKnownHostsFile: '/dev/null',
    HostKeyAlias: HOST_ALIAS,
    StrictHostKeyChecking: 'yes',
    BatchMode: 'yes',
    ConnectTimeout: '10',
    LogLevel: 'ERROR',
  }
  const clientOptions = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])
  return {
    configFile: file('sshd_config'),
    user: userInfo().username,
    clientOptions: ['-F', '/dev/null', ...clientOptions],
  }
}

export const startSshd = async (scope: Scope): Promise<Sshd> => {
  const port = await freePort()
  const { configFile, ...rest } = await prepareSshd(scope, [`ListenAddress ${LOOPBACK}:${port}`])
  const sshd = startDaemon(scope, toolPath('sshd'), ['-D', '-e', '-f', configFile])
  await waitUntilAccepting(sshd, port)
  return { port, ...rest }
}

/** One that somebody else starts for each client: the command, its input and output being the connection. */
export const inetdSshd = async (
  scope: Scope,
): Promise<Omit<Sshd, 'port'> & { readonly command: readonly string[] }> => {
  const { configFile, ...rest } = await prepareSshd(scope, [])
  return { command: [toolPath('sshd'), '-i', '-e', '-f', configFile], ...rest }
}
