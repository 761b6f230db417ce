/**
 * When a service that was started is ready.
 *
 * - look: one attempt to find out. The first is made at once, the next ones after 1 ms at first, then after an eighth of the time
 *   that has passed, up to the longest pause: whoever is ready is found so, at most that part later
 */

import { spawn } from 'node:child_process'
import type { Address } from '../core/address.js'
import { groupKeeper } from './keeper.js'
import { knock } from './knock.js'

export type ReadyRule =
  /** One of the endpoints accepts a connection. */
  | { readonly by: 'connect' }
  /** A line of its output matches. */
  | { readonly by: 'output'; readonly pattern: RegExp }
  /** A command ends with 0. */
  | { readonly by: 'command'; readonly argv: readonly [string, ...string[]] }
  /** As soon as it has been started: somebody else sees to its clients. */
  | { readonly by: 'start' }
  /** systemd's `READY=1` arrives. */
  | { readonly by: 'notify'; readonly open: () => Promise<Notifications> }

/** Where a service sends what sd_notify(3) says. */
export interface Notifications {
  /** For NOTIFY_SOCKET. */
  readonly path: string
  /** What has arrived since the last time, one message each. */
  take(): readonly string[]
  close(): void
}

export interface ReadinessOptions {
  readonly endpoints: readonly Address[]
  readonly longestPauseMs: number
  readonly workdir?: string | undefined
}

export interface Readiness {
  /** What the service has to be told of it. To be asked once, before it is started. @throws TidegateError (rejects). */
  environment(): Promise<Readonly<Record<string, string>>>
  start(): void
  stop(): void
  /** One that the service has printed. */
  line(text: string): void
  /** What the service says of itself; null: nothing. */
  status(): string | null
}

const FIRST_PAUSE_MS = 1
const PART_OF_ELAPSED = 1 / 8
/** Each is a process. */
const SHORTEST_COMMAND_PAUSE_MS = 10
/** A command that asks something over a network may take its time. */
const COMMAND_MS = 10_000

/** `onReady` is called once at most, never before `start`. */
export const createReadiness = (
  rule: ReadyRule,
  options: ReadinessOptions,
  onReady: () => void,
): Readiness => {
  switch (rule.by) {
    case 'start':
      return new AtOnce(onReady)
    case 'output':
      return new ByOutput(rule.pattern, onReady)
    case 'notify':
      return new ByNotify(rule.open, options, onReady)
    case 'command':
      return new ByLooking(
        () => runsWell(rule.argv, options.workdir),
        options,
        SHORTEST_COMMAND_PAUSE_MS,
        onReady,
      )
    case 'connect':
      return new ByLooking(() => accepts(options.endpoints, options.longestPauseMs), options, 0, onReady)
  }
}

/** Whether one of them does. */
const accepts = async (endpoints: readonly Address[], timeoutMs: number): Promise<boolean> => {
  const knocks = endpoints.map((address) => knock(address, timeoutMs))
  const isThere = await Promise.any(
    knocks.map(async ({ answer }) => {
      if (!(await answer)) throw new Error('nobody')
      return true
    }),
  ).catch(() => false)
  for (const each of knocks) each.cancel()
  return isThere
}

/** Whether the command ends with 0. Its output is nobody's. */
export const runsWell = (argv: readonly [string, ...string[]], workdir?: string): Promise<boolean> =>
  new Promise((resolve) => {
    const [command, ...args] = argv
    const keeper = groupKeeper()
    const child = spawn(command, args, {
      stdio: 'ignore',
      detached: true,
      ...(workdir === undefined ? {} : { cwd: workdir }),
    })
    const { pid } = child
    if (pid !== undefined) keeper.keep(pid)
    const timer = setTimeout(() => {
      if (pid !== undefined) process.kill(-pid, 'SIGKILL')
    }, COMMAND_MS)
    const tell = (is: boolean): void => {
      clearTimeout(timer)
      if (pid !== undefined) keeper.release(pid)
      resolve(is)
    }
    child.once('error', () => tell(false))
    child.once('exit', (code) => tell(code === 0))
  })

/** How long to wait until the next look, by how long it has taken so far. */
class Pauses {
  readonly #shortestMs: number
  readonly #longestMs: number
  #since: number | null = null

  constructor(shortestMs: number, longestMs: number) {
    this.#shortestMs = shortestMs
    this.#longestMs = Math.max(shortestMs, longestMs)
  }

  /** The first is the shortest: time counts from then on. */
  next(): number {
    const now = performance.now()
    this.#since ??= now
    return Math.min(Math.max(this.#shortestMs, (now - this.#since) * PART_OF_ELAPSED), this.#longestMs)
  }
}

class ByLooking implements Readiness {
  readonly #look: () => Promise<boolean>
  readonly #pauses: Pauses
  readonly #onReady: () => void
  #timer: NodeJS.Timeout | null = null
  #isOver = false

  constructor(
    look: () => Promise<boolean>,
    { longestPauseMs }: ReadinessOptions,
    shortestPauseMs: number,
    onReady: () => void,
  ) {
    this.#look = look
    this.#pauses = new Pauses(Math.max(FIRST_PAUSE_MS, shortestPauseMs), longestPauseMs)
    this.#onReady = onReady
  }

  environment(): Promise<Readonly<Record<string, string>>> {
    return Promise.resolve({})
  }

  start(): void {
    void this.#look().then((isReady) => {
      if (this.#isOver) return
      if (isReady) {
        this.#isOver = true
        return this.#onReady()
      }
      this.#timer = setTimeout(() => this.start(), this.#pauses.next())
    })
  }

  stop(): void {
    this.#isOver = true
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  line(): void {}

  status(): string | null {
    return null
  }
}

class AtOnce implements Readiness {
  readonly #onReady: () => void

  constructor(onReady: () => void) {
    this.#onReady = onReady
  }

  environment(): Promise<Readonly<Record<string, string>>> {
    return Promise.resolve({})
  }

  start(): void {
    this.#onReady()
  }

  stop(): void {}

  line(): void {}

  status(): string | null {
    return null
  }
}

class ByOutput implements Readiness {
  readonly #pattern: RegExp
  readonly #onReady: () => void
  #isOver = false

  constructor(pattern: RegExp, onReady: () => void) {
    this.#pattern = pattern
    this.#onReady = onReady
  }

  environment(): Promise<Readonly<Record<string, string>>> {
    return Promise.resolve({})
  }

  start(): void {}

  stop(): void {
    this.#isOver = true
  }

  line(text: string): void {
    if (this.#isOver || !this.#pattern.test(text)) return
    this.#isOver = true
    this.#onReady()
  }

  status(): string | null {
    return null
  }
}

class ByNotify implements Readiness {
  readonly #open: () => Promise<Notifications>
  readonly #pauses: Pauses
  readonly #onReady: () => void
  #notifications: Notifications | null = null
  #timer: NodeJS.Timeout | null = null
  #status: string | null = null
  #isReady = false

  constructor(open: () => Promise<Notifications>, { longestPauseMs }: ReadinessOptions, onReady: () => void) {
    this.#open = open
    this.#pauses = new Pauses(FIRST_PAUSE_MS, longestPauseMs)
    this.#onReady = onReady
  }

  async environment(): Promise<Readonly<Record<string, string>>> {
    this.#notifications = await this.#open()
    return { NOTIFY_SOCKET: this.#notifications.path }
  }

  start(): void {
    this.#look()
    if (this.#isReady || this.#notifications === null) return
    this.#timer = setTimeout(() => this.start(), this.#pauses.next())
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#notifications?.close()
    this.#notifications = null
  }

  line(): void {}

  status(): string | null {
    return this.#status === null ? null : `it says: ${this.#status}`
  }

  #look(): void {
    for (const message of this.#notifications?.take() ?? [])
      for (const line of message.split('\n')) {
        if (line.startsWith('STATUS=')) this.#status = line.slice('STATUS='.length)
        if (line !== 'READY=1' || this.#isReady) continue
        this.#isReady = true
        this.#onReady()
      }
  }
}
