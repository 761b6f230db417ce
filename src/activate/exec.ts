/**
 * A service that is a child process, in a group of its own.
 *
 *     sh (waits for one line on its input) ─▶ setpriv (ties it to this thread, on Linux) ─▶ the command
 *
 * The same process all along: each becomes the next one. It waits until the keeper knows its group (keeper.ts), so that there is no
 * moment in which this process could die and leave it behind.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { basename } from 'node:path'
import type { Readable } from 'node:stream'
import type { Address } from '../core/address.js'
import { errnoOf, messageOf, TidegateError } from '../errors.js'
import type { Activation, ActivationEnd, ActivationEvents, Activator } from '../ports/activator.js'
import { accountOf } from './account.js'
import { findProgram } from './command.js'
import { groupKeeper } from './keeper.js'
import { type PassedFd, passListeners } from './listen-fds.js'
import { listeningPlaces } from './listening.js'
import { OutputLog } from './output-log.js'
import { tiedToParent } from './parent-death.js'
import { createReadiness, type Readiness, type ReadyRule } from './readiness.js'
import { strangerAt } from './strangers.js'

export interface ExecOptions {
  /** The command and its arguments; no shell reads them. */
  readonly argv: readonly [string, ...string[]]
  /** Default: this process's. */
  readonly workdir?: string | null
  /** Beside this process's own variables. */
  readonly env?: Readonly<Record<string, string>>
  /** By name or number; needs root. Default: as this process. */
  readonly user?: string | number | null
  readonly group?: string | number | null
  /** Where it will accept. */
  readonly endpoints: readonly Address[]
  /** When it is ready. Default: when one of the endpoints accepts. */
  readonly ready?: ReadyRule
  /** Longest pause between two looks whether it is ready, ms. Default 500. */
  readonly readyMs?: number
  /** How it is asked to end. Default SIGTERM. */
  readonly stopSignal?: NodeJS.Signals
  /** Sockets that listen, for it to accept from (LISTEN_FDS). */
  readonly listeners?: readonly PassedFd[]
}

const READY_MS = 500
/** Members of its group that outlive it are killed; so long at most it is waited for them. */
const LAST_MEMBERS_MS = 1000
const LOOK_EVERY_MS = 5

const GO = 'read -r go || exit 125; exec "$@" </dev/null'

/** @throws TidegateError what is wrong on this system. */
export const createExecActivator = (options: ExecOptions): Activator => {
  // Ahead of the first start, which clients wait for.
  const keeper = groupKeeper()
  return {
    label: options.argv
      .map((word) => (/^[\w./:=@%+,-]+$/.test(word) ? word : JSON.stringify(word)))
      .join(' '),
    start: (events) => new Run(options, events, keeper),
  }
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

const whyNot = (thrown: unknown): string => WHY_NOT.get(errnoOf(thrown) ?? '') ?? messageOf(thrown)

class Run implements Activation {
  readonly #options: ExecOptions
  readonly #events: ActivationEvents
  readonly #keeper: ReturnType<typeof groupKeeper>
  readonly #log: OutputLog
  readonly #readiness: Readiness
  #child: ChildProcess | null = null
  #isOver = false
  #isStopped = false

  constructor(options: ExecOptions, events: ActivationEvents, keeper: ReturnType<typeof groupKeeper>) {
    this.#options = options
    this.#events = events
    this.#keeper = keeper
    this.#readiness = createReadiness(
      options.ready ?? { by: 'connect' },
      {
        endpoints: options.endpoints,
        longestPauseMs: options.readyMs ?? READY_MS,
        workdir: options.workdir ?? undefined,
      },
      () => {
        if (!this.#isOver) events.ready()
      },
    )
    this.#log = new OutputLog({
      output: (line, stream) => {
        if (!this.#isOver) events.output(line, stream)
      },
      seen: (line) => this.#readiness.line(line),
    })
    void this.#begin()
  }

  get pid(): number | null {
    return this.#child?.pid ?? null
  }

  stop(): void {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#readiness.stop()
    this.#signal(this.#options.stopSignal ?? 'SIGTERM')
  }

  kill(): void {
    this.#isStopped = true
    this.#readiness.stop()
    this.#signal('SIGKILL')
  }

  async diagnose(): Promise<string | null> {
    const { pid } = this
    if (pid === null) return null
    const status = this.#readiness.status()
    if (status !== null) return status
    const places = await listeningPlaces(pid)
    if (places === null) return null
    const expected = this.#options.endpoints.map(textOf).join(', ')
    return places.length === 0
      ? 'it listens nowhere'
      : `it listens at ${places.join(', ')}, not at ${expected}`
  }

  async #begin(): Promise<void> {
    // Nothing is told before `start` has returned.
    await null
    try {
      const stranger = await this.#stranger()
      if (stranger !== null) return this.#end({ message: stranger, code: null, signal: null })
      if (this.#isStopped)
        return this.#end({ message: 'was not started: it was stopped before', code: null, signal: null })
      this.#spawn(await this.#readiness.environment())
    } catch (thrown) {
      const message = thrown instanceof TidegateError ? thrown.message : whyNot(thrown)
      this.#end({ message: `cannot be started: ${message}`, code: null, signal: null })
    }
  }

  async #stranger(): Promise<string | null> {
    if (this.#options.listeners !== undefined) return null
    const found = await strangerAt(this.#options.endpoints)
    return found === null ? null : `was not started: ${found}`
  }

  /** @throws TidegateError, and Node's errors. */
  #spawn(readinessEnv: Readonly<Record<string, string>>): void {
    const { argv, workdir, env, user, group, listeners } = this.#options
    if (process.platform === 'win32')
      throw new TidegateError('engine_unavailable', 'child processes are not started on Windows', {
        fault: 'usage',
      })
    const cwd = workdir ?? process.cwd()
    const variables = { ...process.env, ...env, ...readinessEnv }
    const program = findProgram(argv[0], cwd, variables.PATH ?? '')
    const passing = listeners === undefined ? null : passListeners([program, ...argv.slice(1)], listeners)
    const command = tiedToParent(passing?.argv ?? [program, ...argv.slice(1)])
    const child = spawn('/bin/sh', ['-c', GO, basename(argv[0]), ...command], {
      cwd,
      env: { ...variables, ...passing?.env },
      ...accountOf(user ?? null, group ?? null),
      stdio: ['pipe', 'pipe', 'pipe', ...(passing?.stdio ?? [])],
      detached: true,
    })
    this.#child = child
    child.once('error', (thrown) => {
      if (child.pid === undefined)
        this.#end({ message: `cannot be started: ${whyNot(thrown)}`, code: null, signal: null })
    })
    if (child.pid === undefined) return
    this.#keeper.keep(child.pid)
    child.stdin?.on('error', () => {})
    child.stdin?.end('go\n')
    this.#read(child.stdout, 'stdout')
    this.#read(child.stderr, 'stderr')
    child.once('exit', (code, signal) => void this.#exited(child, code, signal))
    if (this.#isStopped) this.#signal('SIGKILL')
    else this.#readiness.start()
  }

  #read(readable: Readable | null, stream: 'stdout' | 'stderr'): void {
    if (readable !== null) this.#log.read(readable, stream)
  }

  async #exited(child: ChildProcess, code: number | null, signal: string | null): Promise<void> {
    this.#readiness.stop()
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
    // Members that outlive it would keep its port.
    const isLeft = this.#signal('SIGKILL')
    const deadline = performance.now() + LAST_MEMBERS_MS
    if (isLeft) while (this.#signal(0) && performance.now() < deadline) await pause(LOOK_EVERY_MS)
    // What it wrote is in the pipe still; who has left the group may hold that open.
    await Promise.race([closed, pause(isLeft ? LAST_MEMBERS_MS : LOOK_EVERY_MS * 10)])
    child.stdout?.destroy()
    child.stderr?.destroy()
    if (child.pid !== undefined) this.#keeper.release(child.pid)
    const message = signal === null ? `exited with code ${code}` : `was killed by ${signal}`
    this.#end({ message, code, signal })
  }

  #end(how: Omit<ActivationEnd, 'tail'>): void {
    if (this.#isOver) return
    this.#readiness.stop()
    this.#log.close()
    this.#isOver = true
    this.#events.ended({ ...how, tail: this.#log.tail })
  }

  /** To the whole group. False when nobody is there. */
  #signal(signal: NodeJS.Signals | 0): boolean {
    const { pid } = this
    if (pid === null || this.#isOver) return false
    try {
      return process.kill(-pid, signal)
    } catch (thrown) {
      return errnoOf(thrown) === 'EPERM'
    }
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms))

const textOf = (address: Address): string =>
  address.kind === 'unix' ? `unix:${address.path}` : `${address.host}:${address.port}`
