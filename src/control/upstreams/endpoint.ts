/**
 * A member of an upstream, as one plane sees it: its places, its pool, and what is learnt of its health by using it.
 */

import type { Address } from '../../core/address.js'
import { formatAddress } from '../../core/address.js'
import type { Candidate } from '../../core/balance/candidate.js'
import { hashText } from '../../core/balance/hash.js'
import { encodeProxyHeader } from '../../core/codec/proxy-protocol/encode.js'
import { afterFailure, afterSuccess } from '../../core/health/passive.js'
import { passiveTransition } from '../../core/health/transitions.js'
import { TidegateError } from '../../errors.js'
import type { Conn, Engine } from '../../ports/engine.js'
import { EndpointPool, type Pooled } from './endpoint-pool.js'
import { EndpointUse } from './endpoint-use.js'
import { failureCodeOf } from './failure-code.js'
import type { Cuttable, Next } from './reach.js'
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
  /** False while its service does not run: nobody dials ahead. */
  readonly isAwake: boolean
  /** A place, or an idle connection, may be had. */
  roomMade(): void
}

/** Fewer resets without a word may be their clients' doing: a service may well hang up on nonsense. */
const REFUSALS_IN_A_ROW = 3

export class PlaneEndpoint implements Candidate {
  member: Member
  readonly key: string
  readonly hash: number
  readonly index: number
  readonly #host: EndpointHost
  #pool: EndpointPool | null = null
  /** Those that are cut when it is found to be down. */
  readonly #sessions = new Set<Cuttable>()

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
  tryTake(): Next | null {
    const { board, plane, settings } = this.#host
    const { slot, address } = this.member
    const pooled = this.#pool?.take() ?? null
    if (pooled !== null)
      return { kind: 'ready', address, conn: pooled.member.conn, use: new EndpointUse(this, pooled) }
    if (!board.takePlace(plane, slot, settings.maxConnections)) return null
    return { kind: 'dial', address, place: new EndpointUse(this, null) }
  }

  /** What the upstream is told first of a client's connection. */
  header(client: Address, local: Address): Uint8Array | null {
    const { sendProxyProtocol } = this.#host.settings
    return sendProxyProtocol === null ? null : encodeProxyHeader(sendProxyProtocol, client, local)
  }

  /** A client's dial has succeeded. `isNamed`: the connection has begun with the client's name. */
  connected(conn: Conn, isNamed: boolean): Pooled | null {
    const { board } = this.#host
    const { slot } = this.member
    board.count(slot, 'connected')
    if (!board.hasNoFailures(slot) && !board.lastWasRefusal(slot)) this.worked()
    return isNamed ? null : (this.#pool?.adopt(conn) ?? null)
  }

  /** Whether something has failed lately. */
  get isInDoubt(): boolean {
    return !this.#host.board.hasNoFailures(this.member.slot)
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

  /** One more may be dialled. */
  get hasPlace(): boolean {
    const { board, settings } = this.#host
    return settings.maxConnections === 0 || board.open(this.member.slot) < settings.maxConnections
  }

  /** Connections that other planes keep, and clients of this one could have. */
  get idleElsewhere(): number {
    const { board, plane } = this.#host
    return board.idleElsewhere(plane, this.member.slot)
  }

  get cutsWhenDown(): boolean {
    return this.#host.settings.onDown === 'cut'
  }

  get reuseAfterMs(): number | null {
    const { mode, quietMs } = this.#host.settings.pool
    return mode === 'reuse' ? quietMs : null
  }

  addSession(session: Cuttable): void {
    this.#sessions.add(session)
  }

  removeSession(session: Cuttable): void {
    this.#sessions.delete(session)
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
    for (const session of [...this.#sessions]) session.cut('endpoint_down', error)
  }

  /** It was connected, and reset the connection without a word. */
  refused(): void {
    this.#host.board.count(this.member.slot, 'refused')
    this.failed(new Error('it resets connections without a word'), true)
  }

  /** A dial has failed; or `isRefusal`. */
  failed(error: Error, isRefusal: boolean): void {
    const { board, settings, news } = this.#host
    const { slot } = this.member
    const { failures, ...backoff } = settings.passiveHealth
    const now = Math.round(this.#host.now())
    board.noteFailure(slot, isRefusal ? 'upstream_reset' : failureCodeOf(error), now)
    if (failures === 0) return
    const before = { ...board.passive(slot), failures: board.addFailure(slot, isRefusal) }
    const limit = isRefusal ? Math.max(failures, REFUSALS_IN_A_ROW) : failures
    const after = afterFailure(before, { ...backoff, failures: limit }, now)
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
    // It was left out, whatever room it had.
    this.#host.roomMade()
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

  /** No client comes here any more, or not now. */
  retire(): void {
    this.#pool?.close()
    this.#pool = null
  }

  #openPool(): void {
    const { settings, isAwake } = this.#host
    if (isAwake && settings.pool.mode !== 'off') this.#pool = new EndpointPool(this, this.#host)
  }
}
