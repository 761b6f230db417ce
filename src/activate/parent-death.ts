/**
 * Ties a child to the thread that starts it: when that ends, in any way, the kernel kills the child (PR_SET_PDEATHSIG, Linux). What
 * the child has started is not tied.
 */

import { execFile } from 'node:child_process'
import { findProgram } from './command.js'

/** Of util-linux; others that are called so do not know `--pdeathsig`. */
const SETPRIV = 'setpriv'
const TIE = ['--pdeathsig', 'KILL', '--'] as const
const PROBE_MS = 5000

/** The program's path: a child may be given another PATH. Null where there is none. */
const findTie = (): Promise<string | null> =>
  new Promise((resolve) => {
    if (process.platform !== 'linux') return resolve(null)
    try {
      const path = findProgram(SETPRIV, '/', process.env.PATH ?? '')
      execFile(path, [...TIE, 'true'], { timeout: PROBE_MS }, (error) =>
        resolve(error === null ? path : null),
      )
    } catch {
      resolve(null)
    }
  })

let found: Promise<string | null> | null = null

/** How a command is tied where that is possible here; it keeps its process id. Asked for ahead of the first start. */
export const parentTie = async (): Promise<
  (argv: readonly [string, ...string[]]) => readonly [string, ...string[]]
> => {
  found ??= findTie()
  const path = await found
  return (argv) => (path === null ? argv : [path, ...TIE, ...argv])
}
