/**
 * One service on the main thread: does what the activation machine (core/wake/machine.ts) says with the activator, the gate
 * and the planes, and tells it what became of it.
 */

import { formatDuration } from '../../config/units.js'
import {
  NEW_SERVICE,
  type ServiceState,
  transition,
  type WakeCommand,
  type WakeEvent,
  type WakeTimer,
} from '../../core/wake/machine.js'
import { messageOf } from '../../errors.js'
import type { Activation, ActivationEnd, Activator } from '../../ports/activator.js'
import type { Logger } from '../../ports/logger.js'
import { within } from '../plane.js'
import type { UpstreamPlanes } from '../upstreams/settings.js'
import { IdleWatch } from './idle-watch.js'
import { ServiceFigures, type ServiceStatus } from './service-figures.js'
import type { ServiceGate } from './service-gate.js'
import type { WokenUpstream } from './settings.js'

export interface SupervisorOptions {
  readonly gate: ServiceGate
  readonly planes: Pick<UpstreamPlanes, 'serviceTurned'>
  readonly logger: Logger
  /** ms; the gate's clock. */
  readonly now: () => number
  /** Clients that wait for it. */
  readonly waiting: () => number
  /** It can be connected to, or not any more. */
  readonly onOpen: (isOpen: boolean) => void
  /** That it exits with 0 is no failure: it knows itself when it is not needed. Default false. */
  readonly exitsByItself?: boolean
  /** It does not run, and may be started when it is wanted. */
  readonly onRest?: () => void
}

/** Also who drains for no time at all does not want a database to be killed at once. */
export const LEAST_STOP_MS = 1000
/** Of what it printed, for reports. */
const LAST_LINES = 20
/** A child that is killed is gone in a second; three commands may take longer. */
const LOST_MS = 10_000
/** So long a start that is late waits for what may be the matter: where thousands of sockets are, it takes a while to look at them. */
const DIAGNOSE_MS = 2000

export class Supervisor {
  readonly #options: SupervisorOptions
  #config: WokenUpstream
  #activator: Activator
  #state: ServiceState = NEW_SERVICE
  #activation: Activation | null = null
  /** Of the run that is told of: what comes from an earlier one is not. */
  #running: symbol | null = null
  /** Of the run that is told of. */
  #lastLines: readonly string[] = []
  readonly #timers = new Map<WakeTimer, NodeJS.Timeout>()
  readonly #idleness: IdleWatch
  /** Runs out when what was killed does not tell its end. */
  #lostTimer: NodeJS.Timeout | null = null
  readonly #figures = new ServiceFigures()
  #whenOver: (() => void)[] = []
  /** What `stopTimeout` is when the gateway closes. */
  #stopWithinMs: number | null = null

  constructor(config: WokenUpstream, activator: Activator, options: SupervisorOptions) {
    this.#config = config
    this.#activator = activator
    this.#options = options
    this.#idleness = new IdleWatch(config, options, () => this.#idle())
  }

  get upstream(): string {
    return this.#config.name
  }

  /** There is a process, or one is on its way. */
  get isRunning(): boolean {
    const { at } = this.#state
    return at === 'starting' || at === 'open' || at === 'stopping'
  }

  get isOpen(): boolean {
    return this.#state.at === 'open'
  }

  /** What starts it is another one from its next start on. What was failed may be tried again: somebody has seen to it. */
  become(config: WokenUpstream, activator: Activator): void {
    this.#config = config
    this.#activator = activator
    this.reset()
    this.#idleness.become(config)
  }

  /** It is not in the config any more: it is stopped once nobody uses it. */
  retire(): void {
    this.#idleness.retire()
  }

  /** What the gateway, when it closes, has to leave it, ms. */
  get stopNeedsMs(): number {
    return this.isRunning ? this.#config.wake.stopTimeoutMs : 0
  }

  start(): void {
    this.wanted()
  }

  /** Clients wait for it. */
  wanted(): void {
    this.#apply({ type: 'wanted', now: this.#options.now() })
  }

  /** By hand: forgets its failures. */
  reset(): void {
    this.#apply({ type: 'reset', now: this.#options.now() })
  }

  status(): ServiceStatus {
    const { gate, now } = this.#options
    return this.#figures.status(this.#state, now(), {
      pid: this.#activation?.pid ?? null,
      users: gate.users,
    })
  }

  /** Ends it, gently within `stopWithinMs` (0: {@link LEAST_STOP_MS}), and starts it never again. Resolves when nothing of it runs. */
  close(stopWithinMs: number): Promise<void> {
    const withinMs = stopWithinMs > 0 ? stopWithinMs : LEAST_STOP_MS
    this.#stopWithinMs = Math.min(withinMs, this.#config.wake.stopTimeoutMs)
    this.#apply({ type: 'shutdown', now: this.#options.now() })
    if (this.#state.at === 'over') return Promise.resolve()
    return new Promise((resolve) => void this.#whenOver.push(resolve))
  }

  /** One that ends for good is not waited for any more. */
  hurry(): void {
    if (this.#state.at === 'stopping' && this.#state.isLast)
      this.#apply({ type: 'shutdown', now: this.#options.now() })
  }

  #run(command: WakeCommand): void {
    const { gate, planes, now, onOpen } = this.#options
    const { name } = this.#config
    switch (command.type) {
      case 'start':
        return this.#start()
      case 'stop':
        return this.#ask('stop')
      case 'kill':
        return this.#kill()
      case 'arm':
        return this.#arm(command.timer, command.ms)
      case 'disarm':
        return this.#disarm(command.timer)
      case 'open_gate':
        gate.open(now())
        onOpen(true)
        planes.serviceTurned(name, { to: 'open' })
        return this.#idleness.opened(this.#figures.readyAt)
      case 'serve_waiting':
        return planes.serviceTurned(name, { to: 'open' })
      case 'shut_gate':
        gate.shut()
        return this.#shut()
      case 'fail_waiting':
        return this.#tell('failed', command.message)
      case 'cut_users':
        return this.#tell('ended', command.message)
    }
  }

  /** A program's own activator may throw. */
  #ask(what: 'stop' | 'kill'): void {
    try {
      this.#activation?.[what]()
    } catch (thrown) {
      const message = `${this.#label} could not be asked to ${what}: ${messageOf(thrown)}`
      this.#options.logger.warn({ upstream: this.#config.name }, message)
    }
  }

  /** Whoever is killed says so; if that does not come, nothing is known of it any more. */
  #kill(): void {
    const run = this.#running
    this.#ask('kill')
    if (this.#lostTimer !== null) clearTimeout(this.#lostTimer)
    this.#lostTimer = setTimeout(() => {
      if (run === null || this.#running !== run) return
      this.#running = null
      this.#activation = null
      this.#ended({ message: 'was killed, and has not told its end', code: null, signal: null, tail: [] })
    }, LOST_MS)
  }

  get #label(): string {
    return `the service of '${this.#config.name}'`
  }

  #tell(to: 'failed' | 'ended', message: string): void {
    this.#options.planes.serviceTurned(this.#config.name, { to, message: `${this.#label} ${message}` })
  }

  #start(): void {
    const { now, logger } = this.#options
    const { name } = this.#config
    this.#figures.started(now())
    logger.info({ upstream: name, command: this.#activator.label }, 'starting the service')
    const run = Symbol(name)
    this.#running = run
    this.#lastLines = []
    const tell = (told: () => void): void => {
      if (this.#running === run) told()
    }
    const ended = (how: ActivationEnd): void =>
      tell(() => {
        this.#running = null
        this.#activation = null
        this.#ended(how)
      })
    try {
      const activation = this.#activator.start({
        ready: () => tell(() => this.#ready()),
        warning: (message) => logger.warn({ upstream: name }, `${this.#label} is ready, but ${message}`),
        output: (line, stream) => {
          if (this.#running === run) this.#lastLines = [...this.#lastLines, line].slice(-LAST_LINES)
          logger.info({ upstream: name, stream }, line)
        },
        ended,
      })
      if (this.#running === run) this.#activation = activation
    } catch (thrown) {
      // A program's own.
      ended({ message: `could not be started: ${messageOf(thrown)}`, code: null, signal: null, tail: [] })
    }
  }

  #ready(): void {
    const { now, logger } = this.#options
    const at = now()
    const isAwaited = this.#state.at === 'starting'
    if (isAwaited) this.#figures.ready(at)
    this.#apply({ type: 'ready', now: at })
    if (!isAwaited) return
    const readyMs = Math.round(this.#figures.sinceStart(at) * 10) / 10
    logger.info(
      { upstream: this.#config.name, pid: this.#activation?.pid ?? undefined, readyMs },
      'the service is ready',
    )
  }

  #ended(ended: ActivationEnd): void {
    if (this.#lostTimer !== null) clearTimeout(this.#lostTimer)
    this.#lostTimer = null
    const { now, logger, exitsByItself = false } = this.#options
    if (exitsByItself && ended.code === 0 && this.isOpen) this.#apply({ type: 'unused', now: now() })
    const { at } = this.#state
    const how = at === 'starting' && ended.code === 0 ? withAdvice(ended) : ended
    const fields = { upstream: this.#config.name, code: how.code, signal: how.signal }
    if (at === 'stopping') logger.info(fields, 'the service has stopped')
    else {
      const message = `${at === 'starting' ? 'did not start' : 'has ended'}: it ${how.message}`
      this.#figures.failed(message)
      logger.warn({ ...fields, output: how.tail }, `${this.#label} ${message}`)
    }
    this.#apply({ type: 'ended', message: withLastLine(how.message, how.tail.at(-1)), now: now() })
  }

  #apply(event: WakeEvent): void {
    const { startMs, stopTimeoutMs } = this.#config.wake
    const times = { startMs, stopTimeoutMs: this.#stopWithinMs ?? stopTimeoutMs }
    const before = this.#state
    const { state, commands } = transition(before, event, times)
    this.#state = state
    for (const command of commands) this.#run(command)
    if (this.#state.at === 'failed' && before.at !== 'failed') this.#tellFailed(this.#state)
    if (this.#state.at === 'over') this.#tellOver()
    const { at } = this.#state
    if ((at === 'closed' || at === 'failed') && event.type !== 'reset') this.#options.onRest?.()
  }

  #tellFailed({ until, message }: Extract<ServiceState, { at: 'failed' }>): void {
    const { now, logger } = this.#options
    const retryInMs = Math.round(until - now())
    logger.warn({ upstream: this.#config.name, retryInMs }, `${this.#label} ${message}`)
  }

  #tellOver(): void {
    // It gives back what it holds; nobody waits for that.
    void (async () => this.#activator.close?.())().catch(() => {})
    const waiting = this.#whenOver
    this.#whenOver = []
    for (const done of waiting) done()
  }

  #idle(): void {
    this.#shut()
    this.#apply({ type: 'unused', now: this.#options.now() })
  }

  #shut(): void {
    this.#idleness.shut()
    this.#options.onOpen(false)
  }

  #arm(timer: WakeTimer, ms: number): void {
    this.#disarm(timer)
    this.#timers.set(
      timer,
      setTimeout(() => {
        this.#timers.delete(timer)
        if (timer === 'start') void this.#startIsDue(ms)
        else this.#apply({ type: timer === 'stop' ? 'stop_due' : 'backoff_due', now: this.#options.now() })
      }, ms),
    )
  }

  #disarm(timer: WakeTimer): void {
    clearTimeout(this.#timers.get(timer))
    this.#timers.delete(timer)
  }

  async #startIsDue(ms: number): Promise<void> {
    const { now, logger } = this.#options
    const activation = this.#activation
    let why: string | null = null
    const diagnosing = async (): Promise<string | null> => (await activation?.diagnose?.()) ?? null
    const diagnosed = diagnosing().then(
      (found) => {
        why = found
      },
      () => {},
    )
    await within(DIAGNOSE_MS, diagnosed)
    // It has become ready, or ended, meanwhile.
    if (this.#activation !== activation || this.#state.at !== 'starting') return
    const message = withLastLine(
      `it was not ready within ${formatDuration(ms)}${why === null ? '' : `: ${why}`}`,
      this.#lastLines.at(-1),
    )
    this.#figures.failed(`did not start: ${message}`)
    const fields = { upstream: this.#config.name, output: this.#lastLines }
    logger.warn(fields, `${this.#label} did not start: ${message}`)
    this.#apply({ type: 'start_due', message, now: now() })
  }
}

/** With what it printed last, which most often says why. */
const withLastLine = (message: string, last: string | null | undefined): string =>
  last == null || last === '' ? message : `${message}, and its last words were: ${last}`

/** Most often it has gone to the background: what it has left there was ended with it. */
const withAdvice = (how: ActivationEnd): ActivationEnd => ({
  ...how,
  message: `${how.message} before it was ready; it has to stay in the foreground`,
})
