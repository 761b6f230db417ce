/**
 * Ties a child to the thread that starts it: when that ends, in any way, the kernel kills the child (PR_SET_PDEATHSIG, Linux). What
 * the child has started is not tied.
 */

import { execFile, spawnSync } from 'node:child_process'
import { findProgram, type Words } from './command.js'

/** Of util-linux; others that are called so do not know `--pdeathsig`. */
const SETPRIV = 'setpriv'
const TIE = ['--pdeathsig', 'KILL', '--'] as const
const PROBE_MS = 5000

/** The program's path, or null; undefined: nobody has asked. */
let known: string | null | undefined
let asked: Promise<void> | null = null

/** The whole path: a child may be given another PATH. */
const setprivPath = (): string | null => {
  if (process.platform !== 'linux') return null
  try {
    return findProgram(SETPRIV, '/', process.env.PATH ?? '')
  } catch {
    return null
  }
}

const ask = async (): Promise<void> => {
  const path = setprivPath()
  known =
    path !== null &&
    (await new Promise<boolean>((resolve) => {
      execFile(path, [...TIE, 'true'], { timeout: PROBE_MS }, (error) => resolve(error === null))
    }))
      ? path
      : null
}

/** Finds out what {@link tiedToParent} has to know, so that it need not wait for it. */
export const prepareTie = (): Promise<void> => {
  asked ??= ask()
  return asked
}

/** The command, tied where that is possible here. It keeps its process id. */
export const tiedToParent = (argv: Words): Words => {
  if (known === undefined) {
    const path = setprivPath()
    const isThere =
      path !== null && spawnSync(path, [...TIE, 'true'], { stdio: 'ignore', timeout: PROBE_MS }).status === 0
    known = isThere ? path : null
  }
  return known === null ? argv : [known, ...TIE, ...argv]
}
