/** Asks where to connect one client, and waits for the answer no longer than for a dial. */

import type { CloseReason } from '../core/close-reason.js'
import type { ConnectionIdentity } from '../core/session/record.js'
import { TidegateError } from '../errors.js'
import type { ControlPort, RouteDecision } from '../ports/control.js'
import { hookFailed } from './hooks.js'

export interface RouteHost {
  routed(decision: Exclude<RouteDecision, { readonly kind: 'failed' }>): void
  routeFailed(reason: CloseReason, error: Error): void
  /** There was no answer in time; one that comes later is told still. */
  routeTimedOut(error: Error): void
}

export class SessionRoute {
  readonly #host: RouteHost
  /** Made when a route asks for its signal: few do, and each costs more than the rest of a session. */
  #unwanted: AbortController | null = null
  #timer: NodeJS.Timeout | null = null
  #isOver = false

  constructor(host: RouteHost) {
    this.#host = host
  }

  ask(control: ControlPort, identity: ConnectionIdentity, timeoutMs: number): void {
    try {
      const decision = control.route(identity, () => this.#unwantedSignal())
      if (!(decision instanceof Promise)) return this.#decided(decision)
      if (timeoutMs > 0) this.#timer = setTimeout(() => this.#timedOut(timeoutMs), timeoutMs)
      decision.then(
        (decided) => this.#decided(decided),
        (thrown: unknown) => this.#failed('error', hookFailed(thrown)),
      )
    } catch (thrown) {
      this.#failed('error', hookFailed(thrown))
    }
  }

  /** The client has gone elsewhere: whoever was asked goes on. */
  leave(): void {
    this.#clearTimer()
  }

  /** Nobody wants the answer any more. */
  abort(): void {
    this.#isOver = true
    this.#clearTimer()
    this.#unwanted?.abort()
  }

  #unwantedSignal(): AbortSignal {
    this.#unwanted ??= new AbortController()
    if (this.#isOver) this.#unwanted.abort()
    return this.#unwanted.signal
  }

  #decided(decision: RouteDecision): void {
    this.#clearTimer()
    this.#unwanted = null
    if (decision.kind === 'failed') this.#failed(decision.reason, decision.error)
    else this.#host.routed(decision)
  }

  #failed(reason: CloseReason, error: Error): void {
    this.#clearTimer()
    this.#host.routeFailed(reason, error)
  }

  #timedOut(timeoutMs: number): void {
    const message = `connectTarget gave no answer within ${timeoutMs} ms`
    this.#host.routeTimedOut(new TidegateError('dial_timeout', message, { fault: 'hook' }))
  }

  #clearTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }
}
