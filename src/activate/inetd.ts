/**
 * One process per connection, whose standard input and output are one socket: any program that reads and writes is a
 * server. Standard error is for the log.
 */

import type { Address } from '../core/address.js'
import type { Dial, DialDone, Engine } from '../ports/engine.js'

export interface InetdOptions {
  readonly argv: readonly [string, ...string[]]
  /** Default: this process's. */
  readonly cwd?: string
  /** Beside this process's own variables and those that say who the client is. */
  readonly env?: Readonly<Record<string, string>>
  /** How long a process may go on when its client has gone, ms, before it is asked to end. Default 2000. */
  readonly graceMs?: number
  /** From SIGTERM to SIGKILL, ms. Default 10,000. */
  readonly stopTimeoutMs?: number
  /** One line that a process wrote to standard error, without the line break. */
  readonly output: (line: string, pid: number) => void
  /** How many may run at a time, on all threads together if that is wished. Default: any number. */
  readonly places?: InetdPlaces
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
   * returns, and not at all after `cancel`. The conn is the process's standard input and output.
   */
  dial(client: Address, local: Address, done: DialDone): Dial
  /** Ends the processes that are left. Resolves when none runs. Idempotent. */
  close(): Promise<void>
}

export declare const createInetd: (engine: Engine, options: InetdOptions) => Inetd
