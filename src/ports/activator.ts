/**
 * What starts and stops a service that runs only while it is needed: a child process, a container, a unit of the system.
 *
 * - activation: one run of the service, from its start to its end
 * - ready: it can be connected to
 */

export interface Activator {
  /** What messages call it, e.g. the command's name. */
  readonly label: string
  /**
   * Starts the service. Nothing is told before this returns; what cannot be started is told by `ended`. Not called again before
   * the activation before has ended.
   */
  start(events: ActivationEvents): Activation
  /** Nothing will be started any more: gives back what it holds. Called when no activation is left. */
  close?(): void | Promise<void>
}

/** What an activation tells. */
export interface ActivationEvents {
  /** It can be connected to. Called once at most. */
  ready(): void
  /** Something that whoever runs the gateway should know, one line. */
  warning?(message: string): void
  /** One line that it has printed, without the line break. */
  output(line: string, stream: 'stdout' | 'stderr'): void
  /** It could not be started, or is not there any more: nothing of it runs. Called exactly once; nothing comes after it. */
  ended(how: ActivationEnd): void
}

export interface ActivationEnd {
  /** For people, one line: `exited with code 1`, `was killed by SIGSEGV`, `there is no command 'rediss' in PATH`. */
  readonly message: string
  /** null: it was killed, or is no process of ours. */
  readonly code: number | null
  /** e.g. `SIGSEGV`; null: it ended by itself, or is no process of ours. */
  readonly signal: string | null
  /** The last lines that it printed, oldest first. */
  readonly tail: readonly string[]
}

export interface Activation {
  /** Of the process that was started; null where there is none of ours. */
  readonly pid: number | null
  /** Asks it to end. Idempotent. */
  stop(): void
  /** Ends it now, and everything that it has started. Idempotent. */
  kill(): void
  /** What may be the matter while it is not ready: `it listens at 127.0.0.1:6380 instead`; null: nothing is known. */
  diagnose?(): Promise<string | null>
}
