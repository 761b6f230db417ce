/**
 * A service that others run, started, stopped and asked after by three commands: a container, a unit of the system, a deployment.
 * One command at a time: none is started before the one before has ended.
 *
 * - up: `isUp` ends with 0
 */

import { messageOf, TidegateError } from '../errors.js'
import type { Activation, ActivationEnd, ActivationEvents, Activator } from '../ports/activator.js'
import { type Account, AccountLookup } from './account.js'
import type { Words } from './command.js'
import { groupKeeper } from './keeper.js'
import { OutputLog } from './output-log.js'
import { prepareTie } from './parent-death.js'
import { createReadiness, type Readiness, type ReadyRule } from './readiness.js'
import {
  howItEnded,
  type Outcome,
  programOf,
  type RunningCommand,
  type Surroundings,
  startCommand,
} from './run-command.js'
import { READY_MS, type ServiceOptions } from './service-options.js'

/** `ready` is, by default, when `isUp` says so. */
export interface CommandOptions extends ServiceOptions {
  /** Starts it, and ends with 0. */
  readonly start: Words
  /** Stops it, and ends. */
  readonly stop: Words
  /** Ends with 0 while it is up. */
  readonly isUp: Words
  /** How often that is asked while it is up, ms. Default 5000. */
  readonly intervalMs?: number
}

const INTERVAL_MS = 5000
/** One no may be the command's own failure. */
const FAILURES_IN_A_ROW = 2
const STOP_LOOK_MS = 100
/** When it is killed: for the second `stop` and what follows. */
const GIVE_UP_MS = 5000
const IS_UP_MS = 10_000

/** All that commands need to know of this machine, so that none of it is asked synchronously. */
const prepared = async (lookup: AccountLookup): Promise<Account> => {
  await prepareTie()
  return lookup.account()
}

export const createCommandActivator = (options: CommandOptions): Activator => {
  groupKeeper()
  void prepareTie()
  const lookup = new AccountLookup(options.user ?? null, options.group ?? null)
  return {
    label: options.start.join(' '),
    start: (events) => new Commanded(options, events, lookup),
  }
}

type State = 'up' | 'stopping' | 'killed' | 'over'

class Commanded implements Activation {
  readonly pid = null
  readonly #options: CommandOptions
  readonly #events: ActivationEvents
  readonly #log: OutputLog
  /** Asked for ahead of the first command. */
  readonly #surroundings: Promise<Surroundings>
  #readiness: Readiness | null = null
  #running: RunningCommand | null = null
  /** Settles when the last command has ended. */
  #last: Promise<unknown> = Promise.resolve()
  #timer: NodeJS.Timeout | null = null
  #state: State = 'up'
  #failures = 0

  constructor(options: CommandOptions, events: ActivationEvents, lookup: AccountLookup) {
    this.#options = options
    this.#events = events
    const { workdir, env } = options
    this.#surroundings = prepared(lookup).then((account) => ({ workdir, env, account }))
    this.#log = new OutputLog({
      output: (line, stream) => {
        if (this.#state !== 'over') events.output(line, stream)
      },
    })
    void this.#begin()
  }

  stop(): void {
    if (this.#state === 'up') void this.#stop('stopping', Number.POSITIVE_INFINITY)
  }

  /** There is nothing to kill: it is stopped once more, and given up after a while. */
  kill(): void {
    if (this.#state === 'up' || this.#state === 'stopping') void this.#stop('killed', GIVE_UP_MS)
  }

  diagnose(): Promise<string | null> {
    const { start, isUp } = this.#options
    const told = this.#readiness?.status() ?? null
    if (told !== null || this.#state !== 'up') return Promise.resolve(told)
    const isAsking = this.#readiness !== null
    return Promise.resolve(isAsking ? `'${isUp.join(' ')}' says no` : `'${start.join(' ')}' has not ended`)
  }

  async #begin(): Promise<void> {
    // Nothing is told before `start` has returned.
    await null
    try {
      const surroundings = await this.#surroundings
      const { start, stop, isUp, ready } = this.#options
      for (const argv of [isUp, start, stop]) programOf(argv, surroundings)
      const readiness = ready === undefined ? null : this.#readinessBy(ready, surroundings)
      await readiness?.environment()
      // One that is up already is this very service: `isUp` is the judge.
      const isUpAlready = (await this.#run(isUp, 'up', IS_UP_MS))?.code === 0
      if (!isUpAlready) {
        const outcome = await this.#run(start, 'up', null)
        if (this.#state !== 'up') return
        if (outcome !== null && outcome.code !== 0) {
          const message = `could not be started: '${start.join(' ')}' ${howItEnded(outcome)}`
          return this.#end({ message, ...outcome })
        }
      }
      if (this.#state !== 'up') return
      this.#readiness = readiness
      if (readiness !== null) readiness.start()
      else await this.#untilUp(isUpAlready)
    } catch (thrown) {
      // Who stops it tells of its end.
      if (this.#state !== 'up') return
      this.#end({ message: `could not be started: ${messageOf(thrown)}`, code: null, signal: null })
    }
  }

  #readinessBy(rule: ReadyRule, surroundings: Surroundings): Readiness {
    if (rule.by === 'notify') {
      const why = 'it is others who start it: notify is for exec; expected connect, output or command'
      throw new TidegateError('usage', why, { fault: 'usage' })
    }
    const { endpoints, readyMs = READY_MS } = this.#options
    const options = { endpoints, longestPauseMs: readyMs, surroundings }
    return createReadiness(rule, options, () => this.#ready())
  }

  /** Each look is a process. */
  async #untilUp(isUpAlready: boolean): Promise<void> {
    const { isUp, readyMs = READY_MS } = this.#options
    let pauseMs = 10
    let isReady = isUpAlready
    while (this.#state === 'up' && !isReady) {
      isReady = (await this.#run(isUp, 'up', IS_UP_MS))?.code === 0
      if (isReady) break
      await this.#pause(pauseMs)
      pauseMs = Math.min(pauseMs * 2, Math.max(readyMs, 1))
    }
    this.#ready()
  }

  #ready(): void {
    if (this.#state !== 'up') return
    this.#events.ready()
    void this.#watch()
  }

  /** Until it is not up any more. */
  async #watch(): Promise<void> {
    while (this.#state === 'up') {
      await this.#pause(this.#options.intervalMs ?? INTERVAL_MS)
      const isUp = await this.#isUp('up', IS_UP_MS)
      if (this.#state !== 'up') return
      this.#failures = isUp ? 0 : this.#failures + 1
      if (this.#failures < FAILURES_IN_A_ROW) continue
      const message = `is not up any more: '${this.#options.isUp.join(' ')}' says so`
      return this.#end({ message, code: null, signal: null })
    }
  }

  async #stop(state: 'stopping' | 'killed', withinMs: number): Promise<void> {
    this.#state = state
    this.#readiness?.stop()
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#running?.kill()
    const deadline = performance.now() + withinMs
    const leftMs = (): number => Math.max(0, deadline - performance.now())
    const isOurs = (): boolean => this.#state === state
    try {
      await this.#run(this.#options.stop, state, Number.isFinite(withinMs) ? withinMs : null)
    } catch (thrown) {
      if (isOurs()) this.#events.output(`it could not be stopped: ${messageOf(thrown)}`, 'stderr')
    }
    while (isOurs() && leftMs() > 0) {
      if (!(await this.#isUp(state, Math.min(IS_UP_MS, leftMs())))) {
        if (isOurs() && leftMs() > 0) this.#end({ message: 'was stopped', code: null, signal: null })
        break
      }
      await this.#pause(STOP_LOOK_MS)
    }
    if (isOurs()) this.#end({ message: 'was stopped twice, and may be up still', code: null, signal: null })
  }

  async #isUp(state: State, withinMs: number): Promise<boolean> {
    try {
      return (await this.#run(this.#options.isUp, state, withinMs))?.code === 0
    } catch {
      return false
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#timer = setTimeout(resolve, ms)
    })
  }

  /**
   * To its end, killed when that does not come in time. Null: it was not run, since the state became another one while the command
   * before it ran. @throws what says that it cannot be run.
   */
  #run(argv: Words, state: State, withinMs: number | null): Promise<Outcome | null> {
    const turn = this.#last.then(async () => {
      const surroundings = await this.#surroundings
      return this.#state === state ? this.#runNow(argv, surroundings, withinMs) : null
    })
    this.#last = turn.catch(() => {})
    return turn
  }

  async #runNow(argv: Words, surroundings: Surroundings, withinMs: number | null): Promise<Outcome> {
    // Whether it is up is asked again and again: only what is said in between is worth a line.
    const isTold = argv !== this.#options.isUp
    const running = startCommand(
      argv,
      surroundings,
      isTold ? (stream, name) => this.#log.read(stream, name) : undefined,
    )
    this.#running = running
    const timer = withinMs === null ? null : setTimeout(() => running.kill(), withinMs)
    try {
      return await running.ended
    } finally {
      if (timer !== null) clearTimeout(timer)
      this.#running = null
    }
  }

  #end(how: Omit<ActivationEnd, 'tail'>): void {
    if (this.#state === 'over') return
    this.#readiness?.stop()
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#log.close()
    this.#state = 'over'
    this.#events.ended({ ...how, tail: this.#log.tail })
  }
}
