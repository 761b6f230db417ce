/** Does what the session machine says with the engine's sockets, and tells it what became of it. */

import type { Address } from '../core/address.js'
import type { CloseReason } from '../core/close-reason.js'
import type { PerDirection } from '../core/direction.js'
import type { FailureCode } from '../core/health/failure-code.js'
import type { Admission } from '../core/session/admission.js'
import {
  BARE_FIN_GRACE_MS,
  NEW_SESSION,
  type SessionCommand,
  type SessionEvent,
  type SessionState,
  type SessionStateName,
  transition,
} from '../core/session/machine.js'
import type { ConnectionIdentity, ConnectionRecord, LiveConnection } from '../core/session/record.js'
import { messageOf } from '../errors.js'
import type { ControlPort, LinkedConnection, LinkWatch, RouteDecision } from '../ports/control.js'
import type { Conn, DialOptions, Engine, Link, LinkEnd, LinkObserver, LinkOptions } from '../ports/engine.js'
import { SeeOff } from './see-off.js'
import { SessionFigures } from './session-figures.js'
import { type RouteHost, SessionRoute } from './session-route.js'
import { failureCodeOf } from './upstreams/failure-code.js'
import { ListCourse } from './upstreams/list-course.js'
import type { PlaneUpstreams } from './upstreams/plane-upstreams.js'
import { type Course, Reach, type ReachHost, type UpstreamUse } from './upstreams/reach.js'

/** What a session needs of its surroundings; shared by all sessions of a listener. */
export interface SessionSurroundings {
  readonly engine: Engine
  readonly control: ControlPort
  readonly upstreams: PlaneUpstreams
  readonly dial: DialOptions
  readonly link: LinkOptions
  /** Called once, after the last event. */
  readonly onFinished: (record: ConnectionRecord) => void
  /** Called after each step of a session that goes on. */
  readonly onStep?: ((session: SessionRunner) => void) | undefined
}

/** When a connection was accepted. */
export interface SessionStart {
  /** ms since 1970. */
  readonly startedAt: number
  /** By `performance.now()` of this thread. */
  readonly acceptedAt: number
}

export const justNow = (): SessionStart => ({ startedAt: Date.now(), acceptedAt: performance.now() })

const NOTHING: PerDirection<number> = { upstream: 0, downstream: 0 }

const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(messageOf(thrown)))

/** How long an upstream that is to be taken back may take for the client's last bytes. */
const TAKE_BACK_TIMEOUT_MS = 1000

export class SessionRunner implements ReachHost, RouteHost {
  readonly identity: ConnectionIdentity
  readonly #client: Conn
  readonly #around: SessionSurroundings
  readonly #start: SessionStart
  #state: SessionState = NEW_SESSION
  #course: Course | null = null
  #reach: Reach | null = null
  #upstream: Conn | null = null
  /** What it has of its endpoint; null: nobody keeps account of that. */
  #use: UpstreamUse | null = null
  /** The client has left, and the upstream's connection goes back to where it came from. */
  #isTakingBack = false
  /** The link is ending without its client, which gets another upstream. */
  #isReplacing = false
  #seeOff: SeeOff | null = null
  #upstreamAddress: Address | null = null
  #link: Link | null = null
  /** Asked for by an observer that is told of the link while it is being made. */
  #cutAtOnce: CloseReason | null = null
  #totals: PerDirection<number> = NOTHING
  #error: Error | null = null
  #lastFailure: FailureCode | null = null
  readonly #figures: SessionFigures
  readonly #route: SessionRoute
  #abandonTimer: NodeJS.Timeout | null = null

  constructor(
    identity: ConnectionIdentity,
    client: Conn,
    around: SessionSurroundings,
    start: SessionStart = justNow(),
  ) {
    this.identity = identity
    this.#client = client
    this.#around = around
    this.#start = start
    this.#figures = new SessionFigures(start.acceptedAt)
    this.#route = new SessionRoute(this)
  }

  begin(admission: Admission): void {
    if (!admission.admitted) {
      this.#error = admission.error ?? null
      return this.#apply({ type: 'refused', reason: admission.reason })
    }
    this.#watchClient()
    this.#apply({ type: 'admitted' })
  }

  #watchClient(): void {
    this.#client.watch((how) => this.#apply({ type: 'client_left', how }))
  }

  /** Ends the session now, whatever it is doing. */
  cut(reason: CloseReason, error: Error | null = null): void {
    this.#error ??= error
    this.#apply({ type: 'cut', reason })
  }

  /**
   * Leaves the client to another plane, which begins the session again: nothing comes of this one any more. `take` says
   * null if the client cannot go; then, and unless a route is being waited for, the session goes on.
   */
  moveOut<T>(take: (client: Conn) => T | null): T | null {
    const taken = this.#state.at === 'routing' ? take(this.#client) : null
    if (taken === null) return null
    this.#client.watch(null)
    this.#route.leave()
    this.#clearAbandon()
    return taken
  }

  get start(): SessionStart {
    return this.#start
  }

  get stateName(): SessionStateName {
    return this.#state.at
  }

  /** Whom it is connected to, or is being connected to; null also while it waits for whoever has room first. */
  get upstream(): Address | null {
    const { at } = this.#state
    return at === 'queued' || at === 'waking' ? null : this.#upstreamAddress
  }

  /** Live figures. */
  get totals(): PerDirection<number> {
    return this.#link?.totals ?? this.#totals
  }

  live(): LiveConnection {
    return {
      ...this.identity,
      state: this.#state.at,
      upstream: this.upstream,
      ageMs: this.#figures.age,
      bytes: this.#bytes(),
      attempts: this.attempts,
      lastFailure: this.#lastFailure,
    }
  }

  /** Dials so far. */
  get attempts(): number {
    return this.#figures.attempts
  }

  get lastFailure(): FailureCode | null {
    return this.#lastFailure
  }

  #bytes(): PerDirection<number> {
    const { totals } = this
    return { upstream: totals.upstream, downstream: totals.downstream }
  }

  #apply(event: SessionEvent): void {
    const { state, commands } = transition(this.#state, event)
    this.#state = state
    for (const command of commands) this.#run(command)
    this.#around.onStep?.(this)
  }

  #run(command: SessionCommand): void {
    switch (command.type) {
      case 'route':
        return this.#route.ask(this.#around.control, this.identity, this.#around.dial.timeoutMs)
      case 'reach':
        return this.#startReach()
      case 'cancel_reach':
        this.#reach?.cancel()
        this.#reach = null
        return
      case 'arm_abandon':
        this.#abandonTimer = setTimeout(() => this.#apply({ type: 'abandon_due' }), BARE_FIN_GRACE_MS)
        return
      case 'link':
        return this.#makeLink()
      case 'cut_link':
        if (this.#link === null || this.#isReplacing) this.#cutAtOnce ??= command.reason
        else this.#link.destroy(command.reason, this.#error ?? undefined)
        return
      case 'reset_client':
        this.#client.watch(null)
        this.#client.reset()
        return
      case 'discard_upstream':
        this.#use?.unused()
        this.#use = null
        this.#upstream?.destroy()
        this.#upstream = null
        return
      case 'finish':
        return this.#finish(command.reason)
    }
  }

  routed(decision: Exclude<RouteDecision, { readonly kind: 'failed' }>): void {
    this.#figures.routed()
    if (decision.kind === 'endpoints' || decision.kind === 'upstream') return this.#toReach(decision)
    this.#upstreamAddress = decision.address
    this.#upstream = this.#around.engine.adopt(decision.stream)
    this.#apply({ type: 'supplied' })
  }

  routeFailed(reason: CloseReason, error: Error): void {
    this.#error ??= error
    this.#apply({ type: 'route_failed', reason })
  }

  routeTimedOut(error: Error): void {
    this.cut('dial_timeout', error)
  }

  #toReach(decision: Extract<RouteDecision, { readonly kind: 'endpoints' | 'upstream' }>): void {
    if (decision.kind === 'endpoints') this.#course = new ListCourse(decision.endpoints)
    else this.#course = this.#around.upstreams.course(decision.upstream)
    this.#apply({ type: 'routed' })
  }

  #startReach(): void {
    if (this.#course === null) throw new Error('a reach needs a course')
    const { engine, dial } = this.#around
    this.#reach = new Reach(engine, this.#course, dial, this.identity.client, this.#client, this)
    this.#reach.go()
  }

  queued(): void {
    this.#noteFailure()
    this.#figures.waits('queued')
    this.#apply({ type: 'queued' })
  }

  waking(): void {
    this.#noteFailure()
    this.#figures.waits('woke')
    this.#apply({ type: 'waking' })
  }

  dialling(address: Address): void {
    this.#noteFailure()
    this.#figures.waitsNoMore()
    this.#figures.attempts++
    this.#upstreamAddress = address
    this.#apply({ type: 'dialing' })
  }

  #noteFailure(): void {
    const error = this.#reach?.lastError ?? null
    if (error !== null) this.#lastFailure = failureCodeOf(error)
  }

  reached(address: Address, conn: Conn, use: UpstreamUse | null): void {
    this.#reach = null
    this.#upstreamAddress = address
    this.#upstream = conn
    this.#use = use
    this.#figures.reached()
    this.#apply({ type: 'reached' })
  }

  failed(reason: CloseReason, error: Error): void {
    this.#reach = null
    this.#error = error
    this.#apply({ type: 'reach_failed', reason })
  }

  #makeLink(): void {
    const upstream = this.#upstream
    const address = this.#upstreamAddress
    if (upstream === null || address === null) throw new Error('a link needs an upstream')
    this.#clearAbandon()
    this.#client.watch(null)
    const { id, listener, client } = this.identity
    const linked: LinkedConnection = { id, listener, client, upstream: address, server: upstream.remote }
    let watch: LinkWatch
    try {
      watch = this.#around.control.watch(linked, () => this.#link)
    } catch (thrown) {
      this.#error = asError(thrown)
      this.#client.reset()
      upstream.reset()
      return this.#apply({ type: 'link_ended', reason: 'error' })
    }
    const { transform, onData } = watch
    const observer: LinkObserver = {
      transform,
      onData,
      onEndOfStream: this.#watchEnds(watch),
      ...this.#replacement(watch),
      onEnd: (end) => this.#linkEnded(end),
    }
    this.#link = this.#around.engine.link(this.#client, upstream, observer, this.#around.link)
    this.#use?.linked(this)
    if (this.#cutAtOnce !== null) this.#link.destroy(this.#cutAtOnce, this.#error ?? undefined)
  }

  /** Nobody has been told of the upstream, and it had only waited: then another one will do. */
  #replacement(watch: LinkWatch): Pick<LinkObserver, 'onUpstreamLost'> | undefined {
    const isSeen =
      watch.onEndOfStream !== undefined || watch.onData !== undefined || watch.transform !== undefined
    if (isSeen || this.#use?.isReplaceable !== true) return undefined
    return {
      onUpstreamLost: () => {
        this.#isReplacing = this.#cutAtOnce === null
        return this.#isReplacing
      },
    }
  }

  #replaceUpstream(): void {
    this.#isReplacing = false
    this.#use?.unused()
    this.#use = null
    this.#upstream = null
    this.#link = null
    this.#seeOff?.stop()
    this.#seeOff = null
    const cut = this.#cutAtOnce
    if (cut !== null) {
      this.#client.reset()
      return this.#apply({ type: 'link_ended', reason: cut })
    }
    this.#watchClient()
    this.#apply({ type: 'upstream_lost' })
  }

  /** Who is told of the ends: nobody else than `watch` says, unless the upstream's connection can be taken back. */
  #watchEnds(watch: LinkWatch): LinkWatch['onEndOfStream'] {
    const quietMs = this.#use?.reuseAfterMs ?? null
    if (quietMs === null) return watch.onEndOfStream
    const seeOff = new SeeOff(quietMs, (link) => this.#takeBack(link))
    this.#seeOff = seeOff
    return (direction) => {
      watch.onEndOfStream?.(direction)
      if (direction === 'upstream' && this.#link !== null) seeOff.clientEnded(this.#link)
    }
  }

  #takeBack(link: Link): void {
    this.#isTakingBack = true
    const [use, upstream] = [this.#use, this.#upstream]
    this.#use = null
    void link.interrupt(TAKE_BACK_TIMEOUT_MS).then((left) => {
      if (left !== 'clean') upstream?.destroy()
      use?.takeBack(left)
    })
  }

  #linkEnded(end: LinkEnd): void {
    if (this.#isReplacing && end.reason === null) return this.#replaceUpstream()
    this.#totals = end.totals
    this.#error = end.error ?? this.#error
    const isBack = end.reason === null && this.#isTakingBack
    if (isBack) this.#client.destroy()
    const reason = end.reason ?? (isBack ? 'client_fin' : 'error')
    const explained = this.#use?.explain?.(reason) ?? null
    if (explained === null) return this.#apply({ type: 'link_ended', reason })
    this.#figures.ended()
    // What it had of its endpoint is free now.
    this.#use?.ended(reason, end.totals.downstream)
    this.#use = null
    void explained.then((ending) => {
      this.#error ??= ending.error
      this.#apply({ type: 'link_ended', reason: ending.reason })
    })
  }

  #clearAbandon(): void {
    if (this.#abandonTimer !== null) clearTimeout(this.#abandonTimer)
    this.#abandonTimer = null
  }

  #finish(reason: CloseReason): void {
    this.#clearAbandon()
    this.#seeOff?.stop()
    this.#route.abort()
    this.#use?.ended(reason, this.#totals.downstream)
    this.#use = null
    const { id, listener, client } = this.identity
    this.#around.onFinished({
      id,
      listener,
      client,
      upstream: this.#upstreamAddress,
      reason,
      error: this.#error,
      startedAt: this.#start.startedAt,
      times: this.#figures.times(),
      bytes: this.#bytes(),
      attempts: this.#figures.attempts,
    })
  }
}
