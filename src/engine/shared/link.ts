/**
 * Two conns joined: a pump each way, a clock, and one end. A FIN is forwarded when its direction has drained; the link
 * is over when both have been, or on the first of: reset, timeout, failed observer, `destroy`, `interrupt`.
 *
 *     moving → interrupting → over
 *        └────────────────────↗
 *
 * The life of a link is the same on every engine. An engine brings conns, pumps and a clock, and says how they are taken apart.
 */

import type { CloseReason } from '../../core/close-reason.js'
import type { Direction, PerDirection } from '../../core/direction.js'
import type { Link, LinkObserver, UpstreamLeft } from '../../ports/engine.js'
import { detailOf, isPeerGone, warnOfThrow } from './errors.js'
import { ENDS_WITH_RESET, withResolver } from './link-ends.js'
import type { LinkConn, LinkHost, LinkPump, LinkTimeouts } from './link-parts.js'
import { wantsClient } from './upstream-lost.js'

interface Interruption {
  readonly result: Promise<UpstreamLeft>
  readonly resolve: (left: UpstreamLeft) => void
  timer: NodeJS.Timeout | undefined
}

type State =
  | { readonly kind: 'moving' }
  | { readonly kind: 'interrupting'; readonly interruption: Interruption }
  | { readonly kind: 'over'; readonly interruption: Interruption | null }

const MOVING: State = { kind: 'moving' }
const OVER: State = { kind: 'over', interruption: null }

export abstract class JoinedLink<C extends LinkConn, P extends LinkPump> implements Link, LinkHost<P> {
  protected readonly client: C
  protected readonly upstream: C
  protected readonly observer: LinkObserver
  protected abstract readonly up: P
  protected abstract readonly down: P
  protected abstract readonly clock: LinkTimeouts
  /** The observer has been asked whether the client is to be kept. */
  protected askedOfLoss = false
  #state: State = MOVING
  #endedFirst: Direction | null = null
  /** The one that took something last. */
  #lastTaker: P | null = null
  #keepsEnd = false

  constructor(client: C, upstream: C, observer: LinkObserver) {
    this.client = client
    this.upstream = upstream
    this.observer = observer
  }

  /** After `hold`: from now on the link has nothing to do with the client, and the upstream only gets what was taken for it. */
  protected abstract takeApart(): void

  /** The link is over: pumps and conns part. `keep`: what reached nobody goes back to where it came from, unread. */
  protected abstract part(keep: boolean): void

  /** Only the upstream is lost: the link is {@link over}, and the client is left as if there had been none. */
  protected abstract spareClient(): void

  get totals(): PerDirection<number> {
    return { upstream: this.up.passed, downstream: this.down.passed }
  }

  hold(): void {
    if (!this.isMoving) return
    this.clock.hold()
    this.up.hold()
    this.down.hold()
  }

  release(): void {
    if (!this.isMoving) return
    this.clock.release()
    this.up.release()
    this.down.release()
  }

  interrupt(timeoutMs: number): Promise<UpstreamLeft> {
    if (this.#state.kind === 'interrupting') return this.#state.interruption.result
    if (this.#state.kind === 'over') return this.#state.interruption?.result ?? Promise.resolve('failed')
    const { promise: result, resolve } = withResolver<UpstreamLeft>()
    const interruption: Interruption = { result, resolve, timer: undefined }
    this.hold()
    this.#state = { kind: 'interrupting', interruption }
    if (timeoutMs > 0) interruption.timer = setTimeout(() => this.#interruptTimedOut(), timeoutMs)
    // The chunk whose observer called us is still on its way to the other side.
    process.nextTick(() => {
      if (this.isInterrupting) this.takeApart()
    })
    return result
  }

  destroy(reason: CloseReason, error: Error | null = null): void {
    const state = this.#state
    if (state.kind === 'over') return
    const interruption = state.kind === 'interrupting' ? state.interruption : null
    this.#over(interruption, false)
    const close = ENDS_WITH_RESET.has(reason) ? 'reset' : 'destroy'
    this.client[close]()
    this.upstream[close]()
    process.nextTick(() => {
      this.#tellEnd(reason, error)
      interruption?.resolve('failed')
    })
  }

  isAnswered(): boolean {
    const { up, down } = this
    if (up.hasPending || down.hasPending || down.hasWaiting) return false
    return this.#lastTaker !== up && !this.#upstreamHasEnded
  }

  keepEnd(): void {
    this.#keepsEnd = !this.#upstreamHasEnded
  }

  passEnd(): void {
    if (!this.#keepsEnd) return
    this.#keepsEnd = false
    if (this.isMoving && this.up.phase === 'ended') this.passOn(this.up)
  }

  // What pumps tell their link.

  abstract mayTake(pump: P): boolean
  abstract settled(): void

  /** Only the upstream is lost, and whoever watches wants to keep the client. */
  spares(lost: P): boolean {
    if (lost !== this.down || !this.isMoving || !this.isUntouched) return false
    if (this.askedOfLoss) return false
    this.askedOfLoss = true
    if (!wantsClient(this.observer, (error) => this.hookFailed(error))) return false
    if (!this.isMoving) return true
    this.spareClient()
    this.upstream.destroy()
    process.nextTick(() => this.#tellEnd(null, null))
    return true
  }

  moved(taker: P | null): void {
    if (taker !== null) this.#lastTaker = taker
    this.clock.moved()
  }

  sourceEnded(pump: P): void {
    if (!this.isMoving) return
    this.#endedFirst ??= pump.direction
    this.clock.halfClosed()
    if (pump === this.up && this.#keepsEnd) return
    this.passOn(pump)
    if (pump === this.down) this.passEnd()
  }

  finished(): void {
    if (this.up.phase === 'over' && this.down.phase === 'over') this.finish()
  }

  hookFailed(error: Error): void {
    this.destroy('error', error)
  }

  // For the engine's part of it.

  protected get isMoving(): boolean {
    return this.#state.kind === 'moving'
  }

  protected get isInterrupting(): boolean {
    return this.#state.kind === 'interrupting'
  }

  protected get isUntouched(): boolean {
    return this.up.isUntouched && this.down.isUntouched && this.client.isOpen
  }

  protected start(): void {
    if (!this.isMoving) return
    if (!this.client.isOpen) this.broke(this.client, brokenBy(this.client))
    else if (!this.upstream.isOpen) this.broke(this.upstream, brokenBy(this.upstream))
    else {
      this.up.start()
      this.down.start()
    }
  }

  protected broke(conn: C, error: Error | null): void {
    if (conn === this.upstream && this.spares(this.down)) return
    const reset = conn === this.client ? 'client_reset' : 'upstream_reset'
    this.destroy(isPeerGone(error) ? reset : 'error', detailOf(error))
  }

  /** Both directions have ended. */
  protected finish(): void {
    this.destroy(this.#endedFirst === 'upstream' ? 'client_fin' : 'upstream_fin')
  }

  protected passOn(pump: P): void {
    pump.forwardEnd()
  }

  /** Nothing more is to come of the interruption but what the upstream is like now. */
  protected conclude(): void {
    if (this.#state.kind !== 'interrupting') return
    const { interruption } = this.#state
    this.#over(interruption, true)
    const left = this.upstream.left()
    this.#tellEnd(null, null)
    interruption.resolve(left)
  }

  protected stopInterruptTimer(): void {
    if (this.#state.kind === 'interrupting') clearTimeout(this.#state.interruption.timer)
  }

  /** Without an interruption, and with what reached nobody kept. */
  protected over(): void {
    this.#over(null, true)
  }

  #interruptTimedOut(): void {
    this.upstream.destroy()
    this.conclude()
  }

  #over(interruption: Interruption | null, keep: boolean): void {
    this.#state = interruption === null ? OVER : { kind: 'over', interruption }
    clearTimeout(interruption?.timer)
    this.clock.stop()
    this.part(keep)
  }

  get #upstreamHasEnded(): boolean {
    return this.down.phase === 'ended' || this.down.phase === 'over'
  }

  #tellEnd(reason: CloseReason | null, error: Error | null): void {
    try {
      this.observer.onEnd({ reason, error, totals: this.totals })
    } catch (thrown) {
      warnOfThrow("a link's onEnd", thrown)
    }
  }
}

const brokenBy = ({ life }: LinkConn): Error | null => (life.kind === 'broken' ? life.error : null)
