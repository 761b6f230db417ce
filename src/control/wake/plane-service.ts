/**
 * A service that is started on demand, as one plane sees it: the way to its upstream leads through the gate. Who finds it shut
 * waits here, in the order they came, and the main thread is told once that somebody does.
 *
 * - guard: what a client has to show before it wakes the service: where it comes from, and perhaps its first bytes
 * - pass: what the gate gives; whoever has one is connected to the service, or about to be
 */

import type { CloseReason } from '../../core/close-reason.js'
import { TidegateError } from '../../errors.js'
import type { PlaneUpstream } from '../upstreams/plane-upstream.js'
import type { Course, Ending, LinkedSession, Next, Reach } from '../upstreams/reach.js'
import { PassedPlace, PassedUse } from './passed.js'
import { type GatePass, ServiceGate } from './service-gate.js'
import type { ServiceTurn, WakeSettings } from './settings.js'
import { WAIT, WakeGuard } from './wake-guard.js'

/** A process that dies closes its connections first, and is missed a moment later; on a busy machine that is some. */
const EXPLAIN_MS = 100

export class PlaneService implements Course {
  readonly #upstream: PlaneUpstream
  #settings: WakeSettings
  #gate: ServiceGate
  readonly #guard: WakeGuard
  /** In the order they came; the guard has let them pass. */
  readonly #waiting = new Set<Reach>()
  readonly #sessions = new Set<LinkedSession>()
  /** Those whose upstream has ended, and may have died. */
  readonly #unexplained = new Set<(ending: Ending) => void>()
  /** Those whose dials have failed, with what to tell them if their service has not died. */
  readonly #doubtful = new Map<Reach, NodeJS.Timeout>()
  #isRetired = false
  /** The main thread knows that somebody waits here. */
  #hasAsked = false
  #bytesBefore = -1

  constructor(upstream: PlaneUpstream, settings: WakeSettings) {
    this.#upstream = upstream
    this.#settings = settings
    this.#gate = new ServiceGate(upstream.board.planes, settings.gate)
    this.#guard = new WakeGuard(settings)
    upstream.setAwake(this.#gate.isOpen)
  }

  update(settings: WakeSettings): void {
    this.#settings = settings
    this.#guard.update(settings)
    if (settings.gate !== this.#gate.buffer)
      this.#gate = new ServiceGate(this.#upstream.board.planes, settings.gate)
  }

  next(reach: Reach): Next {
    if (this.#isRetired) return this.#upstream.next(reach)
    const pass = this.#gate.enter(this.#upstream.plane)
    if (pass === null) return this.#hold(reach)
    this.#forgetWaiting(reach)
    // Who has just come is not idle yet.
    this.#gate.noteByte(this.#upstream.now())
    const next = this.#upstream.next(reach)
    if (next.kind === 'dial' && next.place !== null)
      return { ...next, place: new PassedPlace(this, pass, next.place) }
    if (next.kind === 'ready') return { ...next, use: new PassedUse(this, pass, next.use) }
    this.leave(pass, true)
    return next.kind === 'none' && reach.tried.length > 0 ? this.#doubt(reach, next) : next
  }

  forget(reach: Reach): void {
    this.#guard.forget(reach)
    this.#forgetWaiting(reach)
    this.#forgetDoubtful(reach)
    this.#upstream.forget(reach)
  }

  turned(turn: ServiceTurn): void {
    this.#hasAsked = false
    switch (turn.to) {
      case 'open':
        this.#upstream.setAwake(true)
        return this.#serve()
      case 'failed':
        return this.#tellAll(turn.message)
      case 'ended':
        this.#upstream.setAwake(false)
        return this.#cutAll('service_exited', turn.message)
      case 'idle':
        this.#upstream.setAwake(false)
        return this.#cutAll('idle_timeout', turn.message)
      case 'watched':
        return this.#noteBytes()
    }
  }

  /** The upstream's service is not started on demand any more: clients go there as to any. */
  retire(): void {
    this.#isRetired = true
    this.#goOnAll()
  }

  // What those that have a pass say

  addSession(session: LinkedSession): void {
    this.#sessions.add(session)
  }

  removeSession(session: LinkedSession): void {
    this.#sessions.delete(session)
  }

  /** `isIdleUser`: it has used nothing. */
  leave(pass: GatePass, isIdleUser: boolean): void {
    const { plane, now } = this.#upstream
    this.#gate.leave(plane, pass, now(), isIdleUser)
  }

  /** Whether silent clients count as users when idleness is measured. */
  get countsSilent(): boolean {
    return this.#settings.on === 'connect'
  }

  /** The upstream has ended a connection: was it its service that died? */
  explain(reason: CloseReason): Promise<Ending> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => tell({ reason, error: null }), EXPLAIN_MS)
      const tell = (ending: Ending): void => {
        clearTimeout(timer)
        this.#unexplained.delete(tell)
        resolve(ending)
      }
      this.#unexplained.add(tell)
    })
  }

  /** The gate is shut: the client waits, once the guard has let it pass. */
  #hold(reach: Reach): Next {
    if (this.#waiting.has(reach) || this.#guard.holds(reach)) return WAIT
    // It may have waited for a place there.
    this.#upstream.forget(reach)
    reach.startOver()
    const judged = (refusal: TidegateError | null): void => this.#judged(reach, refusal)
    return (
      this.#guard.look(reach, judged, () => this.#gate.isOpen || this.#isRetired) ?? this.#wait(reach) ?? WAIT
    )
  }

  /** Its first bytes have been looked at. */
  #judged(reach: Reach, refusal: TidegateError | null): void {
    // Who would not wake it is served while it runs anyway.
    if (this.#gate.isOpen || this.#isRetired) return this.#goOn(reach)
    if (refusal !== null) return reach.fail('denied', refusal)
    const full = this.#wait(reach)
    if (full?.kind === 'none') reach.fail(full.reason, full.error)
  }

  #goOn(reach: Reach): void {
    if (reach.go()) this.forget(reach)
  }

  /** Null: it waits. */
  #wait(reach: Reach): Next | null {
    const { board, plane, settings } = this.#upstream
    if (!board.queue.begin(plane, settings.maxQueue)) {
      const message = `${settings.maxQueue} clients wait for the service of '${settings.name}' already (maxQueue)`
      return {
        kind: 'none',
        reason: 'queue_full',
        error: new TidegateError('queue_full', message, { fault: 'system', retryable: true }),
      }
    }
    this.#waiting.add(reach)
    this.#ask()
    return null
  }

  #ask(): void {
    if (this.#hasAsked) return
    this.#hasAsked = true
    this.#upstream.news.wake(this.#upstream.settings.name)
  }

  /** Nobody accepts: has the service died just now? Then the client waits for the next start. */
  #doubt(reach: Reach, next: Extract<Next, { readonly kind: 'none' }>): Next {
    // It may have waited for a place there.
    this.#upstream.forget(reach)
    const timer = setTimeout(() => {
      this.#doubtful.delete(reach)
      reach.fail(next.reason, next.error)
    }, EXPLAIN_MS)
    this.#doubtful.set(reach, timer)
    return WAIT
  }

  #forgetDoubtful(reach: Reach): void {
    clearTimeout(this.#doubtful.get(reach))
    this.#doubtful.delete(reach)
  }

  #goOnDoubtful(): void {
    for (const reach of [...this.#doubtful.keys()]) {
      this.#forgetDoubtful(reach)
      reach.startOver()
      this.#goOn(reach)
    }
  }

  #goOnAll(): void {
    for (const reach of [...this.#waiting]) {
      this.#forgetWaiting(reach)
      this.#goOn(reach)
    }
    this.#goOnDoubtful()
  }

  #forgetWaiting(reach: Reach): void {
    if (this.#waiting.delete(reach)) this.#upstream.board.queue.end(this.#upstream.plane)
  }

  #serve(): void {
    for (const reach of [...this.#waiting]) {
      this.#goOn(reach)
      // It has ended already: somebody waits still, and has to say so.
      if (!this.#gate.isOpen) break
    }
    this.#upstream.serve()
    if (this.#waiting.size > 0) this.#ask()
  }

  #tellAll(message: string): void {
    const error = new TidegateError('wake_failed', message, { fault: 'system', retryable: true })
    for (const reach of [...this.#waiting]) {
      this.#forgetWaiting(reach)
      reach.fail('wake_failed', error)
    }
  }

  #cutAll(reason: CloseReason, message: string): void {
    const error = new TidegateError('wake_failed', message, { fault: 'peer', retryable: true })
    for (const tell of [...this.#unexplained]) tell({ reason, error })
    this.#goOnDoubtful()
    for (const session of [...this.#sessions]) session.cut(reason, error)
    // Who came since the gate was shut waits for the next start.
    if (this.#waiting.size > 0) this.#ask()
  }

  #noteBytes(): void {
    let bytes = 0
    for (const { totals } of this.#sessions) bytes += totals.upstream + totals.downstream
    if (bytes !== this.#bytesBefore) this.#gate.noteByte(this.#upstream.now())
    this.#bytesBefore = bytes
  }
}
