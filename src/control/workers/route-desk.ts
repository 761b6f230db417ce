/**
 * Where workers ask for a route: the main thread's hook decides, without a worker's thread ever waiting. If the answer is a
 * stream, which cannot leave this thread, the client is asked for, and this desk is the control port of the plane
 * that serves it here.
 */

import type { ConnectionIdentity, ConnectionRecord } from '../../core/session/record.js'
import type { ControlPort, LinkedConnection, LinkWatch, RouteDecision } from '../../ports/control.js'
import type { Link } from '../../ports/engine.js'
import { plainError } from './plain-error.js'
import type { PlainDecision, ToWorker } from './protocol.js'

/** The worker that asks. */
export interface Asker {
  post(message: ToWorker): void
}

interface Asked {
  readonly asker: Asker
  readonly unwanted: AbortController
  /** Decided; the client is on its way here. */
  supplied: RouteDecision | null
  isKilled: boolean
}

export class RouteDesk implements ControlPort {
  readonly #control: ControlPort
  /** Questions that are not answered, and those whose answer is the client's coming here. */
  readonly #asked = new Map<number, Asked>()

  constructor(control: ControlPort) {
    this.#control = control
  }

  ask(asker: Asker, connection: ConnectionIdentity): void {
    const asked: Asked = { asker, unwanted: new AbortController(), supplied: null, isKilled: false }
    this.#asked.set(connection.id, asked)
    this.#decide(connection, () => asked.unwanted.signal).then(
      (decision) => this.#decided(connection.id, asked, decision),
      (thrown: unknown) => this.#answer(connection.id, asked, { kind: 'threw', error: plainError(thrown) }),
    )
  }

  /** The connection has ended meanwhile. */
  takeBack(id: number): void {
    const asked = this.#asked.get(id)
    if (asked === undefined) return
    this.#asked.delete(id)
    asked.unwanted.abort()
    if (asked.supplied?.kind === 'stream') asked.supplied.stream.destroy()
  }

  /** False unless the client is on its way here, or about to be: then it is to be killed when it arrives. */
  kill(id: number): boolean {
    const asked = this.#asked.get(id)
    if (asked === undefined || asked.supplied === null) return false
    asked.isKilled = true
    return true
  }

  isKilled(id: number): boolean {
    return this.#asked.get(id)?.isKilled === true
  }

  /** The worker is no more, and with it all who asked. */
  lost(asker: Asker): void {
    for (const [id, asked] of this.#asked) if (asked.asker === asker) this.takeBack(id)
  }

  route(connection: ConnectionIdentity, unwanted: () => AbortSignal): RouteDecision | Promise<RouteDecision> {
    const supplied = this.#asked.get(connection.id)?.supplied
    this.#asked.delete(connection.id)
    return supplied ?? this.#control.route(connection, unwanted)
  }

  watch(connection: LinkedConnection, link: () => Link | null): LinkWatch {
    return this.#control.watch(connection, link)
  }

  closed(record: ConnectionRecord): void {
    this.#control.closed(record)
  }

  async #decide(connection: ConnectionIdentity, unwanted: () => AbortSignal): Promise<RouteDecision> {
    return this.#control.route(connection, unwanted)
  }

  #decided(id: number, asked: Asked, decision: RouteDecision): void {
    if (decision.kind === 'endpoints' || decision.kind === 'upstream')
      return this.#answer(id, asked, decision)
    if (decision.kind === 'failed')
      return this.#answer(id, asked, { ...decision, error: plainError(decision.error) })
    if (this.#asked.get(id) !== asked) return void decision.stream.destroy()
    asked.supplied = decision
    // Until it is adopted, nobody listens to it: an error must not end the process, nor the other side's end the stream.
    decision.stream.on('error', () => {})
    decision.stream.allowHalfOpen = true
    asked.asker.post({ type: 'surrender', id })
  }

  #answer(id: number, asked: Asked, decision: PlainDecision): void {
    if (this.#asked.get(id) !== asked) return
    this.#asked.delete(id)
    asked.asker.post({ type: 'routed', id, decision })
  }
}
