/** One command, run to its end in a group of its own, which ends with this process (keeper.ts, waiting-shell.ts). */

import { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { errnoOf, messageOf } from '../errors.js'
import type { Account } from './account.js'
import { findProgram, type Words } from './command.js'
import { groupKeeper } from './keeper.js'
import { lastWords } from './last-words.js'
import { ownEnv } from './own-env.js'
import { expectChildren, letGo, spawnWaiting } from './waiting-shell.js'

/** Where and as whom commands are run. */
export interface Surroundings {
  /** Default: this process's. */
  readonly workdir?: string | null | undefined
  /** Beside this process's own variables. */
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly account?: Account
}

export interface Outcome {
  readonly code: number | null
  readonly signal: string | null
}

export interface RunningCommand {
  /** Rejects with an error of one line when it cannot be started. */
  readonly ended: Promise<Outcome>
  /** It, and all that it has started. Idempotent. */
  kill(): void
}

const WHY_NOT: ReadonlyMap<string, string> = new Map([
  ['EAGAIN', 'the system allows no more processes (EAGAIN)'],
  ['ENOMEM', 'the system has no memory left (ENOMEM)'],
  ['EMFILE', 'no file descriptor is left in this process (EMFILE)'],
  ['ENFILE', 'no file descriptor is left on this machine (ENFILE)'],
  ['E2BIG', 'its arguments and environment are too long (E2BIG)'],
  ['EACCES', 'permission denied (EACCES)'],
  ['EPERM', 'permission denied (EPERM)'],
])

/** In one line, for people. */
export const whyNotStarted = (thrown: unknown): string =>
  WHY_NOT.get(errnoOf(thrown) ?? '') ?? messageOf(thrown).split('\n', 1).join('')

/** @throws TidegateError `not_found`: what of it is not there. */
export const programOf = ([command]: Words, { workdir, env }: Surroundings): string => {
  const variables = { ...ownEnv(), ...env }
  return findProgram(command, workdir ?? process.cwd(), variables.PATH ?? '')
}

/** `read`: takes what it prints; else that is nobody's. */
export const startCommand = (
  argv: Words,
  surroundings: Surroundings,
  read?: (stream: Readable, name: 'stdout' | 'stderr') => void,
): RunningCommand => {
  const { workdir, env, account } = surroundings
  const output = read === undefined ? 'ignore' : 'pipe'
  let group: number | null = null
  const ended = new Promise<Outcome>((resolve, reject) => {
    const fail = (thrown: unknown): void => reject(new Error(whyNotStarted(thrown), { cause: thrown }))
    try {
      expectChildren()
      const keeper = groupKeeper()
      const child = spawnWaiting([programOf(argv, surroundings), ...argv.slice(1)], {
        cwd: workdir ?? process.cwd(),
        env: { ...ownEnv(), ...env },
        ...account,
        outputs: [output, output],
      })
      child.once('error', fail)
      const { pid, stdout, stderr } = child
      if (pid === undefined) return
      group = pid
      keeper.keep(pid)
      letGo(child)
      if (stdout !== null) read?.(stdout, 'stdout')
      if (stderr !== null) read?.(stderr, 'stderr')
      child.once('exit', (code, signal) => {
        group = null
        // What it has left behind on purpose is the service: it may have the pipes still, and does not keep this process alive.
        keeper.release(pid)
        for (const stream of [stdout, stderr]) if (stream instanceof Socket) stream.unref()
        const tell = (): void => resolve({ code, signal })
        if (code === 0 || read === undefined) tell()
        else void lastWords(child).then(tell)
      })
    } catch (thrown) {
      fail(thrown)
    }
  })
  return {
    ended,
    kill: () => {
      if (group === null) return
      try {
        process.kill(-group, 'SIGKILL')
      } catch {
        // It has ended.
      }
    },
  }
}

export const howItEnded = ({ code, signal }: Outcome): string =>
  signal === null ? `exited with code ${code}` : `was killed by ${signal}`
