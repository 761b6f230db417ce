/**
 * One connection of an endpoint's for one client: a place, from before it is dialled; a use, once it is there.
 *
 * - trial: one that was begun while something spoke against the endpoint. If it goes well, that is over. Those that are older
 *   prove nothing: they end in good order also where a server has just died
 */

import type { Address } from '../../core/address.js'
import type { CloseReason } from '../../core/close-reason.js'
import type { Conn, UpstreamLeft } from '../../ports/engine.js'
import type { PlaneEndpoint } from './endpoint.js'
import type { Pooled } from './endpoint-pool.js'
import type { Cuttable, DialPlace, UpstreamUse } from './reach.js'

export class EndpointUse implements DialPlace, UpstreamUse {
  readonly #endpoint: PlaneEndpoint
  /** Null: the connection is not a pool's. */
  #pooled: Pooled | null
  #isTrial: boolean
  /** It began with its client's name: it can never be another one's, whatever the settings are by then. */
  #isNamed = false
  #session: Cuttable | null = null

  constructor(endpoint: PlaneEndpoint, pooled: Pooled | null) {
    this.#endpoint = endpoint
    this.#pooled = pooled
    this.#isTrial = endpoint.isInDoubt
    endpoint.begin()
  }

  get slot(): number {
    return this.#endpoint.index
  }

  get reuseAfterMs(): number | null {
    return this.#pooled === null ? null : this.#endpoint.reuseAfterMs
  }

  get isReplaceable(): boolean {
    return this.#pooled?.wasReady === true
  }

  get isFresh(): boolean {
    return this.#pooled === null || this.#pooled.member.uses === 1
  }

  header(client: Address, local: Address): Uint8Array | null {
    const header = this.#endpoint.header(client, local)
    this.#isNamed = header !== null
    return header
  }

  connected(conn: Conn): UpstreamUse {
    this.#pooled = this.#endpoint.connected(conn, this.#isNamed)
    this.#isTrial = this.#endpoint.isInDoubt
    return this
  }

  failed(error: Error): void {
    this.#endpoint.end()
    this.#endpoint.dialFailed(error)
  }

  cancelled(): void {
    this.#endpoint.end()
    this.#endpoint.givePlace()
  }

  linked(session: Cuttable): void {
    if (this.#pooled?.wasReady === true) this.#pooled.pool.serves(this.#pooled.member)
    if (!this.#endpoint.cutsWhenDown) return
    this.#session = session
    this.#endpoint.addSession(session)
  }

  unused(): void {
    this.#leave()
    this.#giveUp()
  }

  ended(reason: CloseReason, downstreamBytes: number): void {
    this.#leave()
    // One that had served others may just have been closed for its age.
    if (this.isFresh && isRefusal(reason, downstreamBytes)) this.#endpoint.refused()
    else if (this.#isTrial && isService(reason)) this.#endpoint.worked()
    this.#giveUp()
  }

  takeBack(left: UpstreamLeft): void {
    this.#leave()
    if (this.#isTrial) this.#endpoint.worked()
    if (this.#pooled === null) this.#endpoint.givePlace()
    else this.#pooled.pool.takeBack(this.#pooled.member, left)
  }

  #giveUp(): void {
    if (this.#pooled === null) this.#endpoint.givePlace()
    else this.#pooled.pool.discard(this.#pooled.member)
  }

  #leave(): void {
    this.#endpoint.end()
    if (this.#session !== null) this.#endpoint.removeSession(this.#session)
  }
}

/** A reset with nothing said before it is not an answer: whoever gets it was not served. */
const isRefusal = (reason: CloseReason, downstreamBytes: number): boolean =>
  reason === 'upstream_reset' && downstreamBytes === 0

/** Both sides were through. */
const isService = (reason: CloseReason): boolean => reason === 'client_fin' || reason === 'upstream_fin'
