/**
 * A service that others run, started, stopped and asked after by three commands: a container, a unit of the system, a deployment.
 *
 * - up: `isUp` ends with 0
 */

import { spawn } from 'node:child_process'
import type { Address } from '../core/address.js'
import { messageOf, TidegateError } from '../errors.js'
import type { Activation, ActivationEnd, ActivationEvents, Activator } from '../ports/activator.js'
import { type Account, accountOf } from './account.js'
import { findProgram } from './command.js'
import { groupKeeper } from './keeper.js'
import { OutputLog } from './output-log.js'
import { createReadiness, type Readiness, type ReadyRule } from './readiness.js'

type Words = readonly [string, ...string[]]

export interface CommandOptions {
  /** Starts it, and ends with 0. */
  readonly start: Words
  /** Stops it, and ends. */
  readonly stop: Words
  /** Ends with 0 while it is up. */
  readonly isUp: Words
  /** How often that is asked while it is up, ms. Default 5000. */
  readonly intervalMs?: number
  /** Default: this process's. */
  readonly workdir?: string | null
  /** Beside this process's own variables. */
  readonly env?: Readonly<Record<string, string>>
  readonly user?: string | number | null
  readonly group?: string | number | null
  readonly endpoints: readonly Address[]
  /** Default: when `isUp` says so. */
  readonly ready?: ReadyRule
  /** Longest pause between two looks, ms. Default 500. */
  readonly readyMs?: number
}

const INTERVAL_MS = 5000
const READY_MS = 500
/** One no may be the command's own failure. */
const FAILURES_IN_A_ROW = 2
const STOP_LOOK_MS = 100
/** After the second `stop`. */
const GIVE_UP_MS = 5000
const IS_UP_MS = 10_000

export const createCommandActivator = (options: CommandOptions): Activator => {
  groupKeeper()
  return { label: options.start.join(' '), start: (events) => new Commanded(options, events) }
}

interface Outcome {
  readonly code: number | null
  readonly signal: string | null
}

interface Running {
  readonly ended: Promise<Outcome>
  kill(): void
}

class Commanded implements Activation {
  readonly pid = null
  readonly #options: CommandOptions
  readonly #events: ActivationEvents
  readonly #log: OutputLog
  readonly #readiness: Readiness | null
  readonly #account: Account
  #command: Running | null = null
  #timer: NodeJS.Timeout | null = null
  #state: 'up' | 'stopping' | 'killed' | 'over' = 'up'
  #failures = 0

  /** @throws TidegateError for an account that is none. */
  constructor(options: CommandOptions, events: ActivationEvents) {
    this.#options = options
    this.#events = events
    this.#account = accountOf(options.user ?? null, options.group ?? null)
    this.#log = new OutputLog({
      output: (line, stream) => {
        if (this.#state !== 'over') events.output(line, stream)
      },
    })
    const rule = options.ready ?? { by: 'command', argv: options.isUp }
    this.#readiness = createReadiness(
      rule,
      {
        endpoints: options.endpoints,
        longestPauseMs: options.readyMs ?? READY_MS,
        workdir: options.workdir ?? undefined,
      },
      () => this.#ready(),
    )
    void this.#begin()
  }

  stop(): void {
    if (this.#state === 'up') void this.#stop('stopping', Number.POSITIVE_INFINITY)
  }

  /** There is nothing to kill: it is stopped once more, and given up after a while. */
  kill(): void {
    if (this.#state === 'up' || this.#state === 'stopping') void this.#stop('killed', GIVE_UP_MS)
  }

  async #begin(): Promise<void> {
    // Nothing is told before `start` has returned.
    await null
    try {
      // One that is up already is this very service: `isUp` is the judge.
      if ((await this.#run(this.#options.isUp, IS_UP_MS)).code !== 0) {
        const { code, signal } = await this.#run(this.#options.start, null)
        if (code !== 0) {
          const how = signal === null ? `exited with code ${code}` : `was killed by ${signal}`
          return this.#end({
            message: `could not be started: '${this.#options.start.join(' ')}' ${how}`,
            code,
            signal,
          })
        }
      }
    } catch (thrown) {
      const message = thrown instanceof TidegateError ? thrown.message : messageOf(thrown)
      return this.#end({ message: `could not be started: ${message}`, code: null, signal: null })
    }
    if (this.#state === 'up') this.#readiness?.start()
  }

  #ready(): void {
    if (this.#state !== 'up') return
    this.#events.ready()
    this.#lookLater()
  }

  #lookLater(): void {
    this.#timer = setTimeout(() => void this.#look(), this.#options.intervalMs ?? INTERVAL_MS)
  }

  async #look(): Promise<void> {
    const isUp = await this.#isUp()
    if (this.#state !== 'up') return
    this.#failures = isUp ? 0 : this.#failures + 1
    if (this.#failures < FAILURES_IN_A_ROW) return this.#lookLater()
    this.#end({
      message: `is not up any more: '${this.#options.isUp.join(' ')}' says so`,
      code: null,
      signal: null,
    })
  }

  async #stop(state: 'stopping' | 'killed', withinMs: number): Promise<void> {
    this.#state = state
    this.#readiness?.stop()
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#command?.kill()
    const deadline = performance.now() + withinMs
    const isOurs = (): boolean => this.#state === state
    try {
      await this.#run(this.#options.stop, withinMs === Number.POSITIVE_INFINITY ? null : withinMs)
    } catch (thrown) {
      this.#events.output(`it could not be stopped: ${messageOf(thrown)}`, 'stderr')
    }
    while (isOurs() && (await this.#isUp())) {
      if (performance.now() > deadline) {
        return this.#end({ message: 'was stopped twice, and may be up still', code: null, signal: null })
      }
      await new Promise((resolve) => setTimeout(resolve, STOP_LOOK_MS))
    }
    if (isOurs()) this.#end({ message: 'was stopped', code: null, signal: null })
  }

  async #isUp(): Promise<boolean> {
    try {
      return (await this.#run(this.#options.isUp, IS_UP_MS)).code === 0
    } catch {
      return false
    }
  }

  /** To its end, killed when that does not come in time. @throws what says that it cannot be run. */
  async #run(argv: Words, withinMs: number | null): Promise<Outcome> {
    const running = this.#start(argv)
    this.#command = running
    const timer = withinMs === null ? null : setTimeout(() => running.kill(), withinMs)
    try {
      return await running.ended
    } finally {
      if (timer !== null) clearTimeout(timer)
      if (this.#command === running) this.#command = null
    }
  }

  #start(argv: Words): Running {
    const { workdir, env } = this.#options
    const cwd = workdir ?? process.cwd()
    const variables = { ...process.env, ...env }
    const program = findProgram(argv[0], cwd, variables.PATH ?? '')
    const keeper = groupKeeper()
    const child = spawn(program, argv.slice(1), {
      cwd,
      env: variables,
      ...this.#account,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const { pid } = child
    if (pid !== undefined) keeper.keep(pid)
    // Whether it is up is asked again and again: only what is said in between is worth a line.
    if (argv !== this.#options.isUp) {
      this.#log.read(child.stdout, 'stdout')
      this.#log.read(child.stderr, 'stderr')
    } else for (const stream of [child.stdout, child.stderr]) stream.on('error', () => {}).resume()
    const ended = new Promise<Outcome>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code, signal) => {
        if (pid !== undefined) keeper.release(pid)
        resolve({ code, signal })
      })
    })
    return {
      ended,
      kill: () => {
        try {
          if (pid !== undefined) process.kill(-pid, 'SIGKILL')
        } catch {
          // It has ended.
        }
      },
    }
  }

  #end(how: Omit<ActivationEnd, 'tail'>): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#readiness?.stop()
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#log.close()
    this.#events.ended({ ...how, tail: this.#log.tail })
  }
}
