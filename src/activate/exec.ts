/** A service that is a child process, in a group of its own, which waits until it is known (waiting-shell.ts). */

import type { ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'
import { formatAddress } from '../core/address.js'
import { errnoOf } from '../errors.js'
import type { Activation, ActivationEnd, ActivationEvents, Activator } from '../ports/activator.js'
import { type Account, AccountLookup } from './account.js'
import type { Words } from './command.js'
import { groupKeeper } from './keeper.js'
import { lastWords } from './last-words.js'
import { type PassedFd, passListeners } from './listen-fds.js'
import { isAnyoneRunning, listeningPlaces } from './listening.js'
import { OutputLog } from './output-log.js'
import { ownEnv } from './own-env.js'
import { prepareTie } from './parent-death.js'
import type { GroupKeeper } from './process-group.js'
import { createReadiness, type Readiness } from './readiness.js'
import { howItEnded, type Outcome, programOf, whyNotStarted } from './run-command.js'
import { READY_MS, type ServiceOptions } from './service-options.js'
import { strangerAt, strangerInstead } from './strangers.js'
import { expectChildren, letGo, spawnWaiting, turnAway } from './waiting-shell.js'

/** `ready` is, by default, when one of the endpoints accepts. */
export interface ExecOptions extends ServiceOptions {
  /** The command and its arguments; no shell reads them. */
  readonly argv: Words
  /** How it is asked to end. Default SIGTERM. */
  readonly stopSignal?: NodeJS.Signals
  /** Sockets that listen, for it to accept from (LISTEN_FDS). */
  readonly listeners?: readonly PassedFd[]
}

/** Members of its group that outlive it are killed; so long at most it is waited for them. */
const LAST_MEMBERS_MS = 1000
const LOOK_EVERY_MS = 5

export const createExecActivator = (options: ExecOptions): Activator => {
  // Ahead of the first start, which clients wait for.
  const helpers: Helpers = {
    keeper: groupKeeper(),
    lookup: new AccountLookup(options.user ?? null, options.group ?? null),
    tied: prepareTie(),
  }
  return {
    label: options.argv
      .map((word) => (/^[\w./:=@%+,-]+$/.test(word) ? word : JSON.stringify(word)))
      .join(' '),
    start: (events) => new Run(options, events, helpers),
  }
}

interface Helpers {
  readonly keeper: GroupKeeper
  readonly lookup: AccountLookup
  readonly tied: Promise<void>
}

class Run implements Activation {
  readonly #options: ExecOptions
  readonly #events: ActivationEvents
  readonly #helpers: Helpers
  readonly #log: OutputLog
  #readiness: Readiness | null = null
  #child: ChildProcess | null = null
  #isOver = false
  /** Nobody of its group is left: the number may be another's. */
  #isGone = false
  #isStopped = false
  /** Why the command is not run after all. */
  #refusal: string | null = null

  constructor(options: ExecOptions, events: ActivationEvents, helpers: Helpers) {
    this.#options = options
    this.#events = events
    this.#helpers = helpers
    this.#log = new OutputLog({
      output: (line, stream) => {
        if (!this.#isOver) events.output(line, stream)
      },
      seen: (line) => {
        this.#readiness?.line(line)
        return this.#readiness?.wantsLines ?? false
      },
    })
    void this.#begin()
  }

  get pid(): number | null {
    return this.#child?.pid ?? null
  }

  stop(): void {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#readiness?.stop()
    this.#signal(this.#options.stopSignal ?? 'SIGTERM')
  }

  kill(): void {
    this.#isStopped = true
    this.#readiness?.stop()
    this.#signal('SIGKILL')
  }

  async diagnose(): Promise<string | null> {
    const { pid } = this
    if (pid === null || this.#isGone) return null
    const status = this.#readiness?.status() ?? null
    if (status !== null) return status
    const places = await listeningPlaces(pid)
    if (places === null) return null
    const expected = this.#options.endpoints.map(formatAddress).join(', ')
    return places.length === 0
      ? 'it listens nowhere'
      : `it listens at ${places.join(', ')}, not at ${expected}`
  }

  /** Clients are let in at once; that somebody else has answered is said as soon as it is known. */
  async #lookWhoItIs(): Promise<void> {
    const { ready, endpoints, listeners } = this.#options
    const { pid } = this
    if (pid === null || listeners !== undefined || (ready !== undefined && ready.by !== 'connect')) return
    const stranger = await strangerInstead(pid, endpoints)
    if (stranger !== null && !this.#isOver && !this.#isGone) this.#events.warning?.(stranger)
  }

  async #begin(): Promise<void> {
    // Nothing is told before `start` has returned.
    await null
    try {
      const account = await this.#helpers.lookup.account()
      const readiness = this.#readinessOf(account)
      this.#readiness = readiness
      const variables = await readiness.environment()
      await this.#helpers.tied
      if (this.#isStopped) return this.#endUnstarted('was not started: it was stopped before')
      // Asked while the shell gets ready.
      const stranger = this.#options.listeners === undefined ? strangerAt(this.#options.endpoints) : null
      const child = this.#spawn(account, variables)
      this.#refusal = await stranger
      if (child !== null) (this.#refusal === null ? letGo : turnAway)(child)
      if (this.#refusal === null && !this.#isStopped) readiness.start()
    } catch (thrown) {
      this.#endUnstarted(`cannot be started: ${whyNotStarted(thrown)}`)
    }
  }

  #readinessOf(account: Account): Readiness {
    const { ready, endpoints, readyMs = READY_MS, workdir, env } = this.#options
    return createReadiness(
      ready ?? { by: 'connect' },
      { endpoints, longestPauseMs: readyMs, surroundings: { workdir, env, account } },
      () => {
        if (this.#isOver) return
        this.#events.ready()
        void this.#lookWhoItIs()
      },
    )
  }

  /** The shell, which waits. Null: there is none, and that is told. @throws TidegateError, and Node's errors. */
  #spawn(account: Account, readinessEnv: Readonly<Record<string, string>>): ChildProcess | null {
    const { argv, workdir, env, listeners } = this.#options
    expectChildren()
    const words: Words = [programOf(argv, { workdir, env }), ...argv.slice(1)]
    const passing = listeners === undefined ? null : passListeners(words, listeners)
    const child = spawnWaiting(passing?.argv ?? words, {
      cwd: workdir ?? process.cwd(),
      env: { ...ownEnv(), ...env, ...readinessEnv, ...passing?.env },
      ...account,
      outputs: ['pipe', 'pipe', ...(passing?.stdio ?? [])],
    })
    child.once('error', (thrown) => {
      if (child.pid === undefined) this.#endUnstarted(`cannot be started: ${whyNotStarted(thrown)}`)
    })
    if (child.pid === undefined) return null
    this.#child = child
    this.#helpers.keeper.keep(child.pid)
    this.#read(child.stdout, 'stdout')
    this.#read(child.stderr, 'stderr')
    child.once('exit', (code, signal) => void this.#exited(child, { code, signal }))
    return child
  }

  #read(readable: Readable | null, stream: 'stdout' | 'stderr'): void {
    if (readable !== null) this.#log.read(readable, stream)
  }

  async #exited(child: ChildProcess, outcome: Outcome): Promise<void> {
    this.#readiness?.stop()
    const read = lastWords(child)
    // Members that outlive it would keep its port.
    await this.#killMembers()
    this.#isGone = true
    if (child.pid !== undefined) this.#helpers.keeper.release(child.pid)
    await read
    child.stdout?.destroy()
    child.stderr?.destroy()
    if (this.#refusal !== null) return this.#endUnstarted(`was not started: ${this.#refusal}`)
    this.#end({ message: howItEnded(outcome), ...outcome })
  }

  /** Returns when none is left, or only such as nobody has asked how they ended, or that cannot be killed. */
  async #killMembers(): Promise<void> {
    if (!this.#signal('SIGKILL')) return
    const deadline = performance.now() + LAST_MEMBERS_MS
    while (this.#signal(0) && performance.now() < deadline) {
      await pause(LOOK_EVERY_MS)
      const { pid } = this
      if (pid !== null && (await isAnyoneRunning(pid)) === false) return
    }
  }

  #endUnstarted(message: string): void {
    this.#end({ message, code: null, signal: null })
  }

  #end(how: Omit<ActivationEnd, 'tail'>): void {
    if (this.#isOver) return
    this.#readiness?.stop()
    this.#readiness?.close?.()
    this.#log.close()
    this.#isOver = true
    this.#events.ended({ ...how, tail: this.#log.tail })
  }

  /** To the whole group. False when nobody is there. */
  #signal(signal: NodeJS.Signals | 0): boolean {
    const { pid } = this
    if (pid === null || this.#isGone || this.#isOver) return false
    try {
      return process.kill(-pid, signal)
    } catch (thrown) {
      return errnoOf(thrown) === 'EPERM'
    }
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms))
