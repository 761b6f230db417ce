/**
 * Ties a child to the thread that starts it: when that ends, in any way, the kernel kills the child (PR_SET_PDEATHSIG, Linux). What
 * the child has started is not tied.
 */

import { spawnSync } from 'node:child_process'

/** Of util-linux; others that are called so do not know `--pdeathsig`. */
const SETPRIV = ['setpriv', '--pdeathsig', 'KILL', '--'] as const

let isThere: boolean | null = null

/** The command, tied where that is possible here. It keeps its process id. */
export const tiedToParent = (argv: readonly [string, ...string[]]): readonly [string, ...string[]] => {
  isThere ??=
    process.platform === 'linux' &&
    spawnSync(SETPRIV[0], [...SETPRIV.slice(1), 'true'], { stdio: 'ignore', timeout: 5000 }).status === 0
  return isThere ? [...SETPRIV, ...argv] : argv
}
