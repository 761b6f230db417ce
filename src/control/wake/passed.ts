/** A place or a use of an endpoint together with the pass through its service's gate: both end together. */

import type { Address } from '../../core/address.js'
import type { CloseReason } from '../../core/close-reason.js'
import type { Conn, UpstreamLeft } from '../../ports/engine.js'
import type { DialPlace, Ending, LinkedSession, UpstreamUse } from '../upstreams/reach.js'
import type { PlaneService } from './plane-service.js'
import type { GatePass } from './service-gate.js'

export class PassedPlace implements DialPlace {
  readonly #service: PlaneService
  readonly #pass: GatePass
  readonly #place: DialPlace

  constructor(service: PlaneService, pass: GatePass, place: DialPlace) {
    this.#service = service
    this.#pass = pass
    this.#place = place
  }

  get slot(): number {
    return this.#place.slot
  }

  header(client: Address, local: Address): Uint8Array | null {
    return this.#place.header(client, local)
  }

  connected(conn: Conn): UpstreamUse {
    return new PassedUse(this.#service, this.#pass, this.#place.connected(conn))
  }

  failed(error: Error): void {
    this.#place.failed(error)
    this.#service.leave(this.#pass, true)
  }

  cancelled(): void {
    this.#place.cancelled()
    this.#service.leave(this.#pass, true)
  }
}

/** Ends that are the upstream's own doing. */
const isUpstreams = (reason: CloseReason): boolean => reason === 'upstream_fin' || reason === 'upstream_reset'

export class PassedUse implements UpstreamUse {
  readonly #service: PlaneService
  readonly #pass: GatePass
  readonly #use: UpstreamUse
  #session: LinkedSession | null = null

  constructor(service: PlaneService, pass: GatePass, use: UpstreamUse) {
    this.#service = service
    this.#pass = pass
    this.#use = use
  }

  get reuseAfterMs(): number | null {
    return this.#use.reuseAfterMs
  }

  get isReplaceable(): boolean {
    return this.#use.isReplaceable
  }

  get isFresh(): boolean {
    return this.#use.isFresh
  }

  linked(session: LinkedSession): void {
    this.#session = session
    this.#service.addSession(session)
    this.#use.linked(session)
  }

  unused(): void {
    this.#use.unused()
    this.#leave(true)
  }

  ended(reason: CloseReason, downstreamBytes: number): void {
    this.#use.ended(reason, downstreamBytes)
    const isSilent = this.#session?.totals.upstream === 0
    this.#leave(isSilent && !this.#service.countsSilent)
  }

  takeBack(left: UpstreamLeft): void {
    this.#use.takeBack(left)
    this.#leave(false)
  }

  explain(reason: CloseReason): Promise<Ending> | null {
    return isUpstreams(reason) ? this.#service.explain(reason) : null
  }

  #leave(isIdleUser: boolean): void {
    if (this.#session !== null) this.#service.removeSession(this.#session)
    this.#service.leave(this.#pass, isIdleUser)
  }
}
