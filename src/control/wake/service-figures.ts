/** What is counted of a service. */

import type { ServiceState } from '../../core/wake/machine.js'

export interface ServiceStatus {
  /**
   * `closed`: it does not run; the next client starts it. `starting`, `stopping`. `open`: clients are connected to it. `failed`: after
   * failures in a row it is not started for a while. `over`: the gateway closes.
   */
  readonly state: ServiceState['at']
  /** Of its process; null where there is none of ours. */
  readonly pid: number | null
  /** How often it was started. */
  readonly starts: number
  /** Starts that failed, and runs that ended unasked. */
  readonly failures: number
  /** What the last of those was. */
  readonly lastFailure: string | null
  /** From its last start until it was ready, ms. */
  readonly readyMs: number | null
  /** Since it is ready, ms; null: it is not. */
  readonly uptimeMs: number | null
  /** Until it may be started again, ms; null: at once. */
  readonly retryInMs: number | null
  /** Clients that are connected to it, or about to be. */
  readonly users: number
}

export class ServiceFigures {
  #starts = 0
  #failures = 0
  #lastFailure: string | null = null
  #startedAt = 0
  #readyAt = 0
  #readyMs: number | null = null

  /** Since it was last started, ms. */
  sinceStart(now: number): number {
    return now - this.#startedAt
  }

  sinceReady(now: number): number {
    return now - this.#readyAt
  }

  get readyAt(): number {
    return this.#readyAt
  }

  started(now: number): void {
    this.#starts++
    this.#startedAt = now
  }

  ready(now: number): void {
    this.#readyAt = now
    this.#readyMs = now - this.#startedAt
  }

  failed(message: string): void {
    this.#failures++
    this.#lastFailure = message
  }

  status(
    state: ServiceState,
    now: number,
    { pid, users }: Pick<ServiceStatus, 'pid' | 'users'>,
  ): ServiceStatus {
    return {
      state: state.at,
      pid,
      starts: this.#starts,
      failures: this.#failures,
      lastFailure: this.#lastFailure,
      readyMs: this.#readyMs,
      uptimeMs: state.at === 'open' ? now - this.#readyAt : null,
      retryInMs: state.at === 'failed' ? Math.max(0, state.until - now) : null,
      users,
    }
  }
}
