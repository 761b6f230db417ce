/**
 * A member of an upstream, as one plane sees it: its places, its pool, and what is learnt of its health by using it.
 */

import type { Address } from '../../core/address.js'
import { formatAddress } from '../../core/address.js'
import type { Candidate } from '../../core/balance/candidate.js'
import { hashText } from '../../core/balance/hash.js'
import type { CloseReason } from '../../core/close-reason.js'
import { encodeProxyHeader } from '../../core/codec/proxy-protocol/encode.js'
import { afterFailure, afterSuccess } from '../../core/health/passive.js'
import { passiveTransition } from '../../core/health/transitions.js'
import { TidegateError } from '../../errors.js'
import type { Conn, Engine, UpstreamLeft } from '../../ports/engine.js'
import { EndpointPool, type Pooled } from './endpoint-pool.js'
import type { DialPlace, Next, UpstreamUse } from './reach.js'
import type { Member, UpstreamNews, UpstreamSettings } from './settings.js'
import type { UpstreamBoard } from './upstream-board.js'

/** What an endpoint needs of its upstream and plane. */
export interface EndpointHost {
  readonly engine: Engine
  readonly board: UpstreamBoard
  readonly plane: number
  readonly settings: UpstreamSettings
  readonly news: UpstreamNews
  /** Of each member's idle connections, this plane's part. */
  share(count: number): number
  now(): number
  /** A place, or an idle connection, may be had. */
  roomMade(): void
}

type Cut = (error: Error) => void

export class PlaneEndpoint implements Candidate {
  member: Member
  readonly key: string
  readonly hash: number
  readonly index: number
  readonly #host: EndpointHost
  #pool: EndpointPool | null = null
  /** Of the connections that are cut when it is found to be down. */
  readonly #cuts = new Set<Cut>()

  constructor(member: Member, host: EndpointHost) {
    this.member = member
    this.key = member.key
    this.hash = hashText(member.key)
    this.index = member.slot
    this.#host = host
    this.#openPool()
  }

  get weight(): number {
    return this.member.weight
  }

  get backup(): boolean {
    return this.member.backup
  }

  /** On all planes; what balancing goes by. */
  active(): number {
    return this.#host.board.busy(this.member.slot)
  }

  /** A connection that is ready, or a place to dial; null when it has as many as it may have. */
  tryTake(client: Address): Next | null {
    const { board, plane, settings } = this.#host
    const { slot, address } = this.member
    const pooled = this.#pool?.take() ?? null
    if (pooled !== null)
      return { kind: 'ready', address, conn: pooled.member.conn, use: new EndpointUse(this, pooled) }
    if (!board.takePlace(plane, slot, settings.maxConnections)) return null
    return { kind: 'dial', address, place: new EndpointDial(this, client) }
  }

  /** What the upstream is told first of a client's connection. */
  header(client: Address, local: Address): Uint8Array | null {
    const { sendProxyProtocol } = this.#host.settings
    return sendProxyProtocol === null ? null : encodeProxyHeader(sendProxyProtocol, client, local)
  }

  /** A client's dial has succeeded. */
  connected(conn: Conn): UpstreamUse {
    const { board } = this.#host
    const { slot } = this.member
    board.count(slot, 'connected')
    if (!board.hasNoFailures(slot) && !board.lastWasRefusal(slot)) this.worked()
    return new EndpointUse(this, this.#pool?.adopt(conn) ?? null)
  }

  dialFailed(error: Error): void {
    this.#host.board.count(this.member.slot, 'failed')
    this.failed(error, false)
    this.givePlace()
  }

  givePlace(): void {
    this.#host.board.givePlace(this.#host.plane, this.member.slot)
    this.#host.roomMade()
  }

  begin(): void {
    this.#host.board.addBusy(this.#host.plane, this.member.slot, 1)
  }

  end(): void {
    this.#host.board.addBusy(this.#host.plane, this.member.slot, -1)
  }

  /** Connections that other planes keep, and clients of this one could have. */
  get othersHaveIdle(): boolean {
    const { board, plane } = this.#host
    return board.othersHaveIdle(plane, this.member.slot)
  }

  get cutsWhenDown(): boolean {
    return this.#host.settings.onDown === 'cut'
  }

  get reuseAfterMs(): number | null {
    const { mode, quietMs } = this.#host.settings.pool
    return mode === 'reuse' ? quietMs : null
  }

  addCut(cut: Cut): void {
    this.#cuts.add(cut)
  }

  removeCut(cut: Cut): void {
    this.#cuts.delete(cut)
  }

  /** Its checks say that it is down: ends its connections, if that is wished. */
  cutAll(why: string): void {
    this.#pool?.evictAll()
    if (!this.cutsWhenDown) return
    const error = new TidegateError(
      'endpoint_down',
      `${formatAddress(this.member.address)} is down: ${why}`,
      {
        fault: 'peer',
        retryable: true,
      },
    )
    for (const cut of [...this.#cuts]) cut(error)
  }

  /** Something went wrong with it that is not the client's doing. `isRefusal`: it was connected, and reset that without a word. */
  failed(error: Error, isRefusal: boolean): void {
    const { board, settings, news } = this.#host
    const { slot } = this.member
    const { passiveHealth } = settings
    if (passiveHealth.failures === 0) return
    const now = Math.round(this.#host.now())
    const before = board.passive(slot)
    const after = afterFailure(before, passiveHealth, now)
    board.addFailure(slot, isRefusal)
    const turn = passiveTransition(before, after, now, error.message)
    if (turn !== null && board.eject(slot, before, after)) news.turned(settings.name, slot, turn)
  }

  /** It has served somebody. */
  worked(): void {
    const { board, settings, news } = this.#host
    const { slot } = this.member
    if (board.hasNoFailures(slot)) return
    const before = board.passive(slot)
    if (!board.clearFailures(slot)) return
    const turn = passiveTransition(before, afterSuccess(before), this.#host.now(), '')
    if (turn !== null) news.turned(settings.name, slot, turn)
  }

  /** Up to `count` idle connections are closed: somebody needs their places or descriptors. Returns how many were. */
  evictIdle(count: number): number {
    return this.#pool?.evictIdle(count) ?? 0
  }

  /** The settings are others; the member has the same address. */
  become(member: Member): void {
    this.member = member
    // What is idle was kept by other rules.
    if (this.#pool?.hasOtherRules === true) this.retire()
    if (this.#pool === null) this.#openPool()
    else this.#pool.settingsChanged()
  }

  /** No client comes here any more. */
  retire(): void {
    this.#pool?.close()
    this.#pool = null
  }

  #openPool(): void {
    if (this.#host.settings.pool.mode !== 'off') this.#pool = new EndpointPool(this, this.#host)
  }
}

/** A place that was taken for a client's dial. */
class EndpointDial implements DialPlace {
  readonly #endpoint: PlaneEndpoint
  readonly #client: Address

  constructor(endpoint: PlaneEndpoint, client: Address) {
    this.#endpoint = endpoint
    this.#client = client
  }

  header({ local }: Pick<Conn, 'local'>): Uint8Array | null {
    return this.#endpoint.header(this.#client, local)
  }

  connected(conn: Conn): UpstreamUse {
    return this.#endpoint.connected(conn)
  }

  failed(error: Error): void {
    this.#endpoint.dialFailed(error)
  }

  cancelled(): void {
    this.#endpoint.givePlace()
  }
}

/** A reset with nothing said before it is not an answer: whoever gets it was not served. */
const isRefusal = (reason: CloseReason, downstreamBytes: number): boolean =>
  reason === 'upstream_reset' && downstreamBytes === 0

class EndpointUse implements UpstreamUse {
  readonly reuseAfterMs: number | null
  readonly isFresh: boolean
  readonly #endpoint: PlaneEndpoint
  /** Null: the connection is not a pool's. */
  readonly #pooled: Pooled | null
  #cut: Cut | null = null

  constructor(endpoint: PlaneEndpoint, pooled: Pooled | null) {
    this.#endpoint = endpoint
    this.#pooled = pooled
    this.reuseAfterMs = pooled === null ? null : endpoint.reuseAfterMs
    this.isFresh = (pooled?.member.uses ?? 1) === 1
    endpoint.begin()
  }

  linked(cut: Cut): void {
    if (this.#pooled?.wasReady === true) this.#pooled.pool.serves(this.#pooled.member)
    if (!this.#endpoint.cutsWhenDown) return
    this.#cut = cut
    this.#endpoint.addCut(cut)
  }

  unused(): void {
    this.#leave()
    this.#giveUp()
  }

  ended(reason: CloseReason, downstreamBytes: number): void {
    this.#leave()
    if (isRefusal(reason, downstreamBytes))
      this.#endpoint.failed(new Error('it resets connections without a word'), true)
    else this.#endpoint.worked()
    this.#giveUp()
  }

  takeBack(left: UpstreamLeft): void {
    this.#leave()
    this.#endpoint.worked()
    if (this.#pooled === null) this.#endpoint.givePlace()
    else this.#pooled.pool.takeBack(this.#pooled.member, left)
  }

  #giveUp(): void {
    if (this.#pooled === null) this.#endpoint.givePlace()
    else this.#pooled.pool.discard(this.#pooled.member)
  }

  #leave(): void {
    this.#endpoint.end()
    if (this.#cut !== null) this.#endpoint.removeCut(this.#cut)
  }
}
