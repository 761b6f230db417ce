/**
 * A command that waits until the keeper knows its group: a shell that becomes the command when it is let go. When this process dies
 * before, the shell's input ends, and so does the shell: there is no moment in which somebody is left behind.
 *
 *     sh (waits for one line on its input) ─▶ setpriv (ties it to this thread, on Linux) ─▶ the command
 *
 * The same process all along: each becomes the next one.
 */

import { type ChildProcess, type SpawnOptions, type StdioPipe, spawn } from 'node:child_process'
import { basename } from 'node:path'
import { TidegateError } from '../errors.js'
import type { Words } from './command.js'
import { tiedToParent } from './parent-death.js'

type Output = 'pipe' | 'ignore' | number

/** Two times `exec`: a shell that redirects for one command keeps the old input open, and the command would have it. */
const GO = 'read -r go || exit 125; exec </dev/null; exec "$@"'

/** @throws TidegateError `engine_unavailable` where children cannot be kept from outliving this process. */
export const expectChildren = (): void => {
  if (process.platform === 'win32')
    throw new TidegateError('engine_unavailable', 'child processes are not started on Windows', {
      fault: 'usage',
    })
}

export interface WaitingOptions extends Pick<SpawnOptions, 'cwd' | 'env' | 'uid' | 'gid'> {
  /** From its standard output on; its input is empty once it is let go. */
  readonly outputs: readonly Output[]
}

/** The leader of a group of its own. @throws Node's errors. */
export const spawnWaiting = (argv: Words, { outputs, ...options }: WaitingOptions): ChildProcess => {
  const input: StdioPipe = 'pipe'
  const child = spawn('/bin/sh', ['-c', GO, basename(argv[0]), ...tiedToParent(argv)], {
    ...options,
    stdio: [input, ...outputs],
    detached: true,
  })
  // It may have been killed while it waited.
  child.stdin?.on('error', () => {})
  return child
}

/** To be called when the keeper knows it. */
export const letGo = (child: ChildProcess): void => {
  child.stdin?.end('go\n')
}

/** It never becomes the command. */
export const turnAway = (child: ChildProcess): void => {
  child.stdin?.end()
}
