/**
 * A small world around the activation machine, with a clock of its own: a process, timers, a gate, and clients who connect
 * and leave. It does what the commands say as the supervisor does, and throws as soon as something happens that never may.
 */

import { lookAtIdle } from '../../../src/core/wake/idle.js'
import {
  NEW_SERVICE,
  type ServiceState,
  transition,
  type WakeCommand,
  type WakeEvent,
  type WakeTimer,
} from '../../../src/core/wake/machine.js'

/** How the next process behaves; null: never by itself. */
export interface Temper {
  readonly readyAfterMs: number | null
  readonly diesAfterMs: number | null
  /** Null: it has to be killed. */
  readonly stopsAfterMs: number | null
}

export const WELL: Temper = { readyAfterMs: 10, diesAfterMs: null, stopsAfterMs: 5 }

export const TIMES = { startMs: 1000, stopTimeoutMs: 300 }
const IDLE = { idleMs: 200, idleBy: 'connections', minUptimeMs: 0 } as const
/** From the kill to its end. */
const KILL_MS = 3
/** No client waits longer: a stop, which may take a kill, and a start. */
export const LONGEST_WAIT_MS = TIMES.stopTimeoutMs + KILL_MS + TIMES.startMs

export interface Client {
  readonly cameAt: number
  at: 'waiting' | 'served' | 'told' | 'left'
  /** Why it was told. */
  reason: string
}

const insist = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(what)
}

interface Process {
  isStopping: boolean
  isKilled: boolean
  readonly temper: Temper
}

type WithoutTime = WakeEvent extends infer Event
  ? Event extends WakeEvent
    ? Omit<Event, 'now'>
    : never
  : never

export class World {
  now = 1000
  state: ServiceState = NEW_SERVICE
  temper: Temper = WELL
  readonly clients: Client[] = []
  starts = 0
  /** The states it was in and the commands it was given. */
  readonly seen = new Set<string>()
  #process: Process | null = null
  #isGateOpen = false
  #openSince = 0
  #lastLeftAt = 0
  readonly #timers = new Map<WakeTimer, object>()
  #queue: { readonly at: number; readonly run: () => void }[] = []

  get isRunning(): boolean {
    return this.#process !== null
  }

  /** `isLate`: it looked at the gate before it was opened. */
  connect(isLate = false): Client {
    const client: Client = { cameAt: this.now, at: 'waiting', reason: '' }
    this.clients.push(client)
    if (this.#isGateOpen && !isLate) client.at = 'served'
    else this.tell({ type: 'wanted' })
    return client
  }

  /** Somebody who is here leaves. */
  leave(nth: number): void {
    const here = this.clients.filter(({ at }) => at === 'waiting' || at === 'served')
    const client = here[nth % Math.max(1, here.length)]
    if (client === undefined) return
    const wasServed = client.at === 'served'
    client.at = 'left'
    if (wasServed) this.#left()
  }

  leaveAll(): void {
    for (const client of this.clients)
      if (client.at === 'waiting' || client.at === 'served') client.at = 'left'
    this.#left()
  }

  crash(): void {
    if (this.#process !== null) this.#end(this.#process, 'was killed by SIGSEGV')
  }

  reset(): void {
    this.tell({ type: 'reset' })
  }

  shutdown(): void {
    this.tell({ type: 'shutdown' })
  }

  /** Something may be told twice, or too late: the machine has to bear it. */
  tell(event: WithoutTime): void {
    const { state, commands } = transition(this.state, { ...event, now: this.now } as WakeEvent, TIMES)
    this.state = state
    this.seen.add(state.at)
    for (const command of commands) {
      this.seen.add(command.type)
      this.#run(command)
    }
    this.#check()
  }

  pass(ms: number): void {
    const until = this.now + ms
    for (;;) {
      const due = this.#queue.filter(({ at }) => at <= until).sort((one, other) => one.at - other.at)
      const next = due[0]
      if (next === undefined) break
      this.#queue = this.#queue.filter((item) => item !== next)
      this.now = next.at
      next.run()
    }
    this.now = until
    this.#check()
  }

  #in(ms: number, run: () => void): void {
    this.#queue.push({ at: this.now + ms, run })
  }

  #run(command: WakeCommand): void {
    switch (command.type) {
      case 'start':
        return this.#start()
      case 'stop':
        return this.#stop()
      case 'kill':
        return this.#kill()
      case 'arm':
        return this.#arm(command.timer, command.ms)
      case 'disarm':
        this.#timers.delete(command.timer)
        return
      case 'open_gate':
        insist(this.#process !== null, 'the gate is opened to nothing')
        this.#isGateOpen = true
        this.#openSince = this.now
        this.#lastLeftAt = this.now
        this.#settle('waiting', 'served', '')
        return this.#look()
      case 'serve_waiting':
        insist(this.#isGateOpen, 'clients are served through a shut gate')
        return this.#settle('waiting', 'served', '')
      case 'shut_gate':
        this.#isGateOpen = false
        return
      case 'fail_waiting':
        insist(command.message !== '', 'somebody is told nothing')
        return this.#settle('waiting', 'told', command.message)
      case 'cut_users':
        insist(command.message !== '', 'somebody is cut without a reason')
        return this.#settle('served', 'told', command.message)
    }
  }

  #settle(from: Client['at'], to: Client['at'], reason: string): void {
    for (const client of this.clients)
      if (client.at === from) {
        client.at = to
        client.reason = reason
      }
  }

  #start(): void {
    insist(this.#process === null, 'two processes')
    this.starts++
    const { temper } = this
    const born: Process = { isStopping: false, isKilled: false, temper }
    this.#process = born
    if (temper.readyAfterMs !== null)
      this.#in(temper.readyAfterMs, () => {
        if (this.#process === born) this.tell({ type: 'ready' })
      })
    if (temper.diesAfterMs !== null) this.#in(temper.diesAfterMs, () => this.#end(born, 'exited with code 1'))
  }

  #stop(): void {
    const process = this.#process
    if (process === null) throw new Error('nothing is asked to stop')
    process.isStopping = true
    const { stopsAfterMs } = process.temper
    if (stopsAfterMs !== null) this.#in(stopsAfterMs, () => this.#end(process, 'exited with code 0'))
  }

  #kill(): void {
    const process = this.#process
    if (process === null) throw new Error('nothing is killed')
    insist(process.isStopping, 'it is killed before it was asked to stop')
    process.isKilled = true
    this.#in(KILL_MS, () => this.#end(process, 'was killed by SIGKILL'))
  }

  #end(process: Process, message: string): void {
    if (this.#process !== process) return
    this.#process = null
    // Who was not cut sees its connection end, as with any upstream that is stopped.
    if (this.state.at === 'stopping') this.#settle('served', 'told', 'the service was stopped')
    this.tell({ type: 'ended', message })
  }

  #arm(timer: WakeTimer, ms: number): void {
    insist(ms >= 1, `the timer ${timer} is armed for ${ms} ms`)
    const mine = {}
    this.#timers.set(timer, mine)
    this.#in(ms, () => {
      if (this.#timers.get(timer) !== mine) return
      this.#timers.delete(timer)
      if (timer === 'start') this.tell({ type: 'start_due', message: 'it was not ready in time' })
      else this.tell({ type: timer === 'stop' ? 'stop_due' : 'backoff_due' })
    })
  }

  #left(): void {
    this.#lastLeftAt = this.now
    this.#look()
  }

  #look(): void {
    if (!this.#isGateOpen) return
    const users = this.clients.filter(({ at }) => at === 'served').length
    if (users > 0) return
    const look = {
      now: this.now,
      openSince: this.#openSince,
      users,
      lastLeftAt: this.#lastLeftAt,
      lastByteAt: 0,
    }
    const verdict = lookAtIdle(look, IDLE)
    if (!verdict.stop) {
      if (verdict.againInMs !== null) this.#in(verdict.againInMs, () => this.#look())
      return
    }
    this.#isGateOpen = false
    this.tell({ type: 'unused' })
  }

  /** What always holds. */
  #check(): void {
    const { at } = this.state
    const runs = at === 'starting' || at === 'open' || at === 'stopping'
    insist(runs === this.isRunning, `it is ${at}, and a process ${this.isRunning ? 'runs' : 'does not run'}`)
    insist(!this.#isGateOpen || at === 'open', `the gate is open while it is ${at}`)
    insist(at !== 'starting' || this.#timers.has('start'), 'a start without a deadline')
    insist(at !== 'failed' || this.#timers.has('backoff'), 'it is left alone for ever')
    insist(
      at !== 'stopping' || this.#timers.has('stop') || this.#process?.isKilled === true,
      'a stop without a deadline',
    )
    for (const client of this.clients) {
      if (client.at === 'waiting') {
        insist(at === 'starting' || at === 'stopping', `somebody waits while it is ${at}`)
        insist(
          this.now - client.cameAt <= LONGEST_WAIT_MS,
          `somebody waits for ${this.now - client.cameAt} ms`,
        )
      }
      if (client.at === 'served')
        insist(at === 'open' || at === 'stopping', `somebody is served while it is ${at}`)
    }
  }
}
