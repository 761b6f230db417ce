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

export const startSshd = async (scope: Scope): Promise<Sshd> => {
  const directory = scope.tempDir()
  const file = (name: string): string => join(directory, name)
  const port = await freePort()
  await Promise.all([makeKey(file('host_key')), makeKey(file('client_key'))])
  writeFileSync(file('authorized_keys'), `${await publicKey(file('client_key'))}\n`, { mode: 0o600 })
  writeFileSync(file('known_hosts'), `${HOST_ALIAS} ${await publicKey(file('host_key'))}\n`)
  writeFileSync(
    file('sshd_config'),
    [
      `ListenAddress ${LOOPBACK}:${port}`,
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
  const sshd = startDaemon(scope, toolPath('sshd'), ['-D', '-e', '-f', file('sshd_config')])
  await waitUntilAccepting(sshd, port)
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
  return { port, user: userInfo().username, clientOptions: ['-F', '/dev/null', ...clientOptions] }
}
