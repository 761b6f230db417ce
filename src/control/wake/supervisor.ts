/**
 * One service on the main thread: does what the activation machine (core/wake/machine.ts) says with the activator, the gate
 * and the planes, and tells it what became of it.
 */

import { looksAtIdle } from '../../core/wake/idle.js'
import {
  NEW_SERVICE,
  type ServiceState,
  transition,
  type WakeCommand,
  type WakeEvent,
  type WakeTimer,
} from '../../core/wake/machine.js'
import type { Activation, ActivationEnd, Activator } from '../../ports/activator.js'
import type { Logger } from '../../ports/logger.js'
import { within } from '../plane.js'
import type { UpstreamPlanes } from '../upstreams/settings.js'
import type { ServiceGate } from './service-gate.js'
import { ServiceFigures, type ServiceStatus } from './service-figures.js'
import type { WokenUpstream } from './settings.js'

export interface SupervisorOptions {
  readonly gate: ServiceGate
  readonly planes: UpstreamPlanes
  readonly logger: Logger
  /** ms; the gate's clock. */
  readonly now: () => number
  /** It can be connected to, or not any more. */
  readonly onOpen: (isOpen: boolean) => void
}

/** So long a start that is late waits for what may be the matter. */
const DIAGNOSE_MS = 300
/** Idleness by bytes is noticed at most so much later than it begins, in parts of `idle`. */
const BYTE_LOOKS = 4
const SHORTEST_LOOK_MS = 20

export class Supervisor {
  readonly #options: SupervisorOptions
  #config: WokenUpstream
  #activator: Activator
  #state: ServiceState = NEW_SERVICE
  #activation: Activation | null = null
  readonly #timers = new Map<WakeTimer, NodeJS.Timeout>()
  #idleTimer: NodeJS.Timeout | null = null
  readonly #figures = new ServiceFigures()
  #whenOver: (() => void)[] = []
  /** What `stopTimeout` is when the gateway closes. */
  #stopWithinMs: number | null = null

  constructor(config: WokenUpstream, activator: Activator, options: SupervisorOptions) {
    this.#config = config
    this.#activator = activator
    this.#options = options
  }

  get isOpen(): boolean {
    return this.#state.at === 'open'
  }

  /** What starts it is another one from its next start on. What was failed may be tried again: somebody has seen to it. */
  become(config: WokenUpstream, activator: Activator): void {
    this.#config = config
    this.#activator = activator
    this.reset()
    if (this.isOpen) this.#armIdle()
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

  /** Ends it, gently within `stopWithinMs`, and starts it never again. Resolves when nothing of it runs. */
  close(stopWithinMs: number): Promise<void> {
    this.#stopWithinMs = Math.min(stopWithinMs, this.#config.wake.stopTimeoutMs)
    this.#apply({ type: 'shutdown', now: this.#options.now() })
    if (this.#state.at === 'over') return Promise.resolve()
    return new Promise((resolve) => void this.#whenOver.push(resolve))
  }

  #apply(event: WakeEvent): void {
    const { startMs, stopTimeoutMs } = this.#config.wake
    const settings = { startMs, stopTimeoutMs: this.#stopWithinMs ?? stopTimeoutMs }
    const { state, commands } = transition(this.#state, event, settings)
    this.#state = state
    for (const command of commands) this.#run(command)
    if (this.#state.at !== 'over') return
    const waiting = this.#whenOver
    this.#whenOver = []
    for (const done of waiting) done()
  }

  #run(command: WakeCommand): void {
    const { gate, planes, now, onOpen } = this.#options
    const { name } = this.#config
    switch (command.type) {
      case 'start':
        return this.#start()
      case 'stop':
        return this.#activation?.stop()
      case 'kill':
        return this.#activation?.kill()
      case 'arm':
        return this.#arm(command.timer, command.ms)
      case 'disarm':
        return this.#disarm(command.timer)
      case 'open_gate':
        gate.open(now())
        onOpen(true)
        planes.serviceTurned(name, { to: 'open' })
        return this.#armIdle()
      case 'shut_gate':
        gate.shut()
        return this.#shut()
      case 'fail_waiting':
        return planes.serviceTurned(name, { to: 'failed', message: `${this.#label} ${command.message}` })
      case 'cut_users':
        return planes.serviceTurned(name, { to: 'ended', message: `${this.#label} ${command.message}` })
    }
  }
}
