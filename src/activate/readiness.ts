/**
 * When a service that was started is ready.
 *
 * - look: one attempt to find out. The first is made at once, the next ones after 1 ms at first, then after an eighth of the time
 *   that has passed, up to the longest pause: whoever is ready is found so, at most that part later
 */

import type { Address } from '../core/address.js'
import { messageOf } from '../errors.js'
import type { Words } from './command.js'
import { type Knock, knock } from './knock.js'
import { howItEnded, programOf, type RunningCommand, type Surroundings, startCommand } from './run-command.js'

export type ReadyRule =
  /** One of the endpoints accepts a connection. */
  | { readonly by: 'connect' }
  /** A line of its output matches. */
  | { readonly by: 'output'; readonly pattern: RegExp }
  /** A command ends with 0. */
  | { readonly by: 'command'; readonly argv: Words }
  /** As soon as it has been started: somebody else sees to its clients. */
  | { readonly by: 'start' }
  /** systemd's `READY=1` arrives. */
  | { readonly by: 'notify'; readonly open: OpenNotifications }

/** Where a service sends what sd_notify(3) says. */
export interface Notifications {
  /** For NOTIFY_SOCKET. */
  readonly path: string
  /** Idempotent. Nothing is told any more. */
  close(): void
}

/** `onMessage`: called for each message, never before it resolves. @throws TidegateError (rejects) where there is none of it. */
export type OpenNotifications = (onMessage: (text: string) => void) => Promise<Notifications>

export interface ReadinessOptions {
  readonly endpoints: readonly Address[]
  readonly longestPauseMs: number
  /** Of a command that is asked. */
  readonly surroundings?: Surroundings
}

export interface Readiness {
  /** What the service has to be told of it. To be asked once, before it is started. @throws TidegateError (rejects). */
  environment(): Promise<Readonly<Record<string, string>>>
  start(): void
  /** Nobody waits for it any more. Idempotent. */
  stop(): void
  /** The service has ended. */
  close?(): void
  /** One that the service has printed. */
  line(text: string): void
  /** Whether it wants to be told of lines any more. */
  readonly wantsLines: boolean
  /** What may be the matter, as far as this rule knows; null: nothing. */
  status(): string | null
}

const FIRST_PAUSE_MS = 1
const PART_OF_ELAPSED = 1 / 8
/** Each is a process. */
const SHORTEST_COMMAND_PAUSE_MS = 10
/** A command that asks something over a network may take its time. */
const COMMAND_MS = 10_000
/** Somebody far away may need longer to answer than it is waited between two looks. */
const SHORTEST_KNOCK_MS = 500
/** Of what a service says of itself. */
const STATUS_CHARACTERS = 200

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
      return new ByNotify(rule.open, onReady)
    case 'command':
      return new ByLooking(new Asking(rule.argv, options.surroundings ?? {}), options, onReady)
    case 'connect':
      return new ByLooking(new Knocking(options), options, onReady)
  }
}

/** How it is looked. */
interface Looker {
  readonly shortestPauseMs: number
  /** @throws TidegateError when it can never say yes. */
  check(): void
  look(): Promise<boolean>
  cancel(): void
  status(): string | null
}

/** Whether one of the endpoints accepts. */
class Knocking implements Looker {
  readonly shortestPauseMs = FIRST_PAUSE_MS
  readonly #options: ReadinessOptions
  #knocks: readonly Knock[] = []

  constructor(options: ReadinessOptions) {
    this.#options = options
  }

  check(): void {}

  async look(): Promise<boolean> {
    const { endpoints, longestPauseMs } = this.#options
    this.#knocks = endpoints.map((address) => knock(address, Math.max(longestPauseMs, SHORTEST_KNOCK_MS)))
    const isThere = await Promise.any(
      this.#knocks.map(async ({ answer }) => {
        if (!(await answer)) throw new Error('nobody')
        return true
      }),
    ).catch(() => false)
    this.cancel()
    return isThere
  }

  cancel(): void {
    for (const each of this.#knocks) each.cancel()
    this.#knocks = []
  }

  status(): string | null {
    return null
  }
}

/** Whether a command ends with 0. Its output is nobody's. */
class Asking implements Looker {
  readonly shortestPauseMs = SHORTEST_COMMAND_PAUSE_MS
  readonly #argv: Words
  readonly #surroundings: Surroundings
  #running: RunningCommand | null = null
  #status: string | null = null

  constructor(argv: Words, surroundings: Surroundings) {
    this.#argv = argv
    this.#surroundings = surroundings
  }

  check(): void {
    programOf(this.#argv, this.#surroundings)
  }

  async look(): Promise<boolean> {
    const running = startCommand(this.#argv, this.#surroundings)
    this.#running = running
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      running.kill()
    }, COMMAND_MS)
    const label = `'${this.#argv.join(' ')}', which is asked whether it is ready,`
    try {
      const outcome = await running.ended
      this.#status = isLate ? `${label} did not end` : `${label} ${howItEnded(outcome)}`
      return outcome.code === 0
    } catch (thrown) {
      this.#status = `${label} cannot be run: ${messageOf(thrown)}`
      return false
    } finally {
      clearTimeout(timer)
      this.#running = null
    }
  }

  cancel(): void {
    this.#running?.kill()
  }

  status(): string | null {
    return this.#status
  }
}

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
  readonly wantsLines = false
  readonly #looker: Looker
  readonly #pauses: Pauses
  readonly #onReady: () => void
  #timer: NodeJS.Timeout | null = null
  #isOver = false

  constructor(looker: Looker, { longestPauseMs }: ReadinessOptions, onReady: () => void) {
    this.#looker = looker
    this.#pauses = new Pauses(looker.shortestPauseMs, longestPauseMs)
    this.#onReady = onReady
  }

  async environment(): Promise<Readonly<Record<string, string>>> {
    this.#looker.check()
    return {}
  }

  start(): void {
    if (this.#isOver) return
    void this.#looker.look().then((isReady) => {
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
    this.#looker.cancel()
  }

  line(): void {}

  status(): string | null {
    return this.#looker.status()
  }
}

class AtOnce implements Readiness {
  readonly wantsLines = false
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
    // Each line is looked at from its beginning, whatever was found in the one before.
    this.#pattern = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''))
    this.#onReady = onReady
  }

  get wantsLines(): boolean {
    return !this.#isOver
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
    return this.#isOver ? null : `no line of its output matches ${this.#pattern}`
  }
}

/** The socket is open, and read, as long as the service runs: who sends more than is read would have to wait. */
class ByNotify implements Readiness {
  readonly wantsLines = false
  readonly #open: OpenNotifications
  readonly #onReady: () => void
  #notifications: Notifications | null = null
  #status: string | null = null
  #isReady = false
  #isOver = false

  constructor(open: OpenNotifications, onReady: () => void) {
    this.#open = open
    this.#onReady = onReady
  }

  async environment(): Promise<Readonly<Record<string, string>>> {
    const notifications = await this.#open((text) => this.#take(text))
    if (this.#isOver) notifications.close()
    else this.#notifications = notifications
    return { NOTIFY_SOCKET: notifications.path }
  }

  start(): void {}

  stop(): void {
    this.#isOver = true
  }

  close(): void {
    this.#isOver = true
    this.#notifications?.close()
    this.#notifications = null
  }

  line(): void {}

  status(): string | null {
    return this.#status === null ? 'it has not sent READY=1' : `it says: ${this.#status}`
  }

  #take(message: string): void {
    for (const line of message.split('\n')) {
      if (line.startsWith('STATUS=')) this.#status = line.slice('STATUS='.length, STATUS_CHARACTERS)
      if (line !== 'READY=1' || this.#isReady || this.#isOver) continue
      this.#isReady = true
      this.#onReady()
    }
  }
}
