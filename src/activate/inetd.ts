/**
 * One process per connection, whose standard input and output are one socket: any program that reads and writes is a
 * server. Standard error is for the log. It takes the place of a dial: what a client gets is a conn like any other.
 *
 * - its client's FIN ends the process's input; the process's exit is a FIN behind all that it wrote
 * - a process whose client has gone has `graceMs` to notice; then it is asked to end (SIGTERM to its group), and killed
 */

import type { Address } from '../core/address.js'
import { errnoOf, messageOf, TidegateError } from '../errors.js'
import type { Conn, Dial, DialDone, Engine } from '../ports/engine.js'
import { clientEnv } from './client-env.js'
import { findProgram } from './command.js'
import { InetdProcess, type ProcessSpec } from './inetd-process.js'
import { ownEnv } from './own-env.js'
import { tiedToParent } from './parent-death.js'
import type { GroupKeeper } from './process-group.js'
import { whyNotStarted } from './run-command.js'
import { type SocketPair, SocketPairs } from './socket-pair.js'

/** Most programs notice the end of their input at once. */
const GRACE_MS = 2000

const STOP_TIMEOUT_MS = 10_000

/** As long as web servers linger by default. */
const LINGER_MS = 30_000

export interface InetdOptions {
  readonly argv: readonly [string, ...string[]]
  /** Default: this process's. */
  readonly cwd?: string
  /** Beside this process's own variables and those that say who the client is (client-env.ts). */
  readonly env?: Readonly<Record<string, string>>
  readonly uid?: number
  readonly gid?: number
  /** How long a process may go on when its client has gone, ms, before it is asked to end. Default 2000. */
  readonly graceMs?: number
  /** From SIGTERM to SIGKILL, ms. Default 10,000. */
  readonly stopTimeoutMs?: number
  /**
   * How long a client may go on sending to a process that has ended, ms, from when all its output is on its way: what comes is
   * forgotten; later the client is cut. Default 30,000.
   */
  readonly lingerMs?: number
  /** One line that a process wrote to standard error, without the line break. */
  readonly output: (line: string, pid: number) => void
  /** A process has ended; others of its group may be left. `code`: null when a signal ended it. */
  readonly exited?: (pid: number, code: number | null, signal: string | null) => void
  /** How many may run at a time, on all threads together if that is wished. Default: any number. */
  readonly places?: InetdPlaces
  /** Default: the kernel ends the process when this thread dies (parent-death.ts), and whom it has started see the end of their input. */
  readonly keeper?: GroupKeeper
}

/** One is taken for each process, and given back when nothing of it runs any more. */
export interface InetdPlaces {
  take(): boolean
  give(): void
}

export interface Inetd {
  /** How many processes run. */
  readonly running: number
  /**
   * Starts a process for a client that has connected to `local`. As `Engine.dial`: `done` is called once, never before this
   * returns, and not at all after `cancel`. The conn is the process's standard input and output. Its errors: `not_found` (no
   * such program or directory), `permission_denied`, `dial_failed`.
   */
  dial(client: Address, local: Address, done: DialDone): Dial
  /** What is started from now on; processes that run go on as they are. */
  become(options: InetdOptions): void
  /** Resolves when none runs, and none is being started. */
  empty(): Promise<void>
  /**
   * Asks the processes that are left to end, and sees to it: within their `stopTimeoutMs`, or `stopWithinMs` if that is shorter. Resolves
   * when none runs. Idempotent.
   */
  close(stopWithinMs?: number): Promise<void>
}

/** On this thread: its end is its processes' end, too. `engine`: whose conns they become. */
export const createInetd = (engine: Engine, options: InetdOptions): Inetd =>
  new ProcessPerConnection(engine, options)

const CLOSED = 'no process is started any more'

const failure = (message: string): TidegateError =>
  new TidegateError('dial_failed', message, { fault: 'system', retryable: true })

const startError = (command: string, thrown: unknown): TidegateError => {
  if (thrown instanceof TidegateError) return thrown
  const errno = errnoOf(thrown)
  const isForbidden = errno === 'EACCES' || errno === 'EPERM'
  return new TidegateError(
    isForbidden ? 'permission_denied' : 'dial_failed',
    `cannot start '${command}': ${whyNotStarted(thrown)}`,
    {
      fault: 'system',
      retryable: !isForbidden,
      where: command,
      ...(errno === undefined ? {} : { errno }),
      cause: thrown,
    },
  )
}

class ProcessPerConnection implements Inetd {
  readonly #engine: Engine
  #options: InetdOptions
  readonly #pairs = new SocketPairs()
  readonly #processes = new Set<InetdProcess>()
  /** Those that are being started, too. */
  #taken = 0
  #isClosed = false
  #stopWithinMs = Number.POSITIVE_INFINITY
  readonly #whenNone: (() => void)[] = []

  constructor(engine: Engine, options: InetdOptions) {
    this.#engine = engine
    this.#options = options
  }

  get running(): number {
    return this.#processes.size
  }

  dial(client: Address, local: Address, done: DialDone): Dial {
    let isCancelled = false
    const tell: DialDone = (error, conn) => {
      try {
        done(error, conn)
      } catch (thrown) {
        conn?.destroy()
        process.emitWarning(`a dial's callback threw: ${messageOf(thrown)}`, { type: 'TidegateWarning' })
      }
    }
    this.#start(client, local, () => isCancelled).then(
      (conn) => {
        if (isCancelled) conn?.destroy()
        else if (conn !== null) tell(null, conn)
      },
      (thrown: unknown) => {
        if (!isCancelled) tell(startError(this.#options.argv[0], thrown), null)
      },
    )
    return {
      cancel: () => {
        isCancelled = true
      },
    }
  }

  become(options: InetdOptions): void {
    this.#options = options
  }

  async empty(): Promise<void> {
    if (this.#taken > 0) await new Promise<void>((resolve) => this.#whenNone.push(resolve))
  }

  async close(stopWithinMs = Number.POSITIVE_INFINITY): Promise<void> {
    this.#isClosed = true
    this.#stopWithinMs = stopWithinMs
    for (const each of this.#processes) each.stop(stopWithinMs)
    await this.empty()
    await this.#pairs.close()
  }

  /** null: it was given up meanwhile. */
  async #start(client: Address, local: Address, isCancelled: () => boolean): Promise<Conn | null> {
    if (this.#isClosed) {
      // Each dial takes and gives.
      if (this.#options.places?.take() === true) this.#options.places.give()
      throw failure(CLOSED)
    }
    if (this.#options.places?.take() === false) throw failure('as many processes run as may')
    this.#taken++
    try {
      const spec = this.#spec(client, local)
      const pair = await this.#pairs.open()
      const isUnwanted = isCancelled()
      if (!isUnwanted && !this.#isClosed) return await this.#run(spec, pair)
      pair.ours.destroy()
      pair.theirs.destroy()
      if (!isUnwanted) throw failure(CLOSED)
    } catch (thrown) {
      this.#give()
      throw thrown
    }
    this.#give()
    return null
  }

  /** @throws (rejects) Node's error: it could not be started. */
  async #run(spec: ProcessSpec, pair: SocketPair): Promise<Conn> {
    const process = await InetdProcess.start(spec, pair, {
      output: this.#options.output,
      exited: (pid, code, signal) => this.#options.exited?.(pid, code, signal),
      gone: (gone) => {
        this.#processes.delete(gone)
        this.#give()
      },
    })
    this.#processes.add(process)
    // Nothing but microtasks since: whoever closes this meanwhile was not told of it.
    if (this.#isClosed) process.stop(this.#stopWithinMs)
    return this.#engine.adopt(pair.ours)
  }

  #give(): void {
    this.#taken--
    this.#options.places?.give()
    if (this.#taken === 0) for (const tell of this.#whenNone.splice(0)) tell()
  }

  #spec(client: Address, local: Address): ProcessSpec {
    const { argv, cwd, env, uid, gid, graceMs, stopTimeoutMs, lingerMs, keeper } = this.#options
    const [command, ...args] = argv
    const variables = clientEnv({ ...ownEnv(), ...env }, client, local)
    const program = findProgram(command, cwd ?? process.cwd(), variables.PATH ?? '')
    return {
      argv: tiedToParent([program, ...args]),
      options: {
        env: variables,
        ...(cwd === undefined ? {} : { cwd }),
        ...(uid === undefined ? {} : { uid }),
        ...(gid === undefined ? {} : { gid }),
      },
      graceMs: graceMs ?? GRACE_MS,
      stopTimeoutMs: stopTimeoutMs ?? STOP_TIMEOUT_MS,
      lingerMs: lingerMs ?? LINGER_MS,
      keeper: keeper ?? null,
    }
  }
}
