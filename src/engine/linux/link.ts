/**
 * Two conns joined: a pump each way, a clock, and one end. A FIN is forwarded when its direction has drained; the link
 * is over when both have been, or on the first of: reset, timeout, failed observer, `destroy`, `interrupt`.
 */

import type { CloseReason } from '../../core/close-reason.js'
import type { Direction, PerDirection } from '../../core/direction.js'
import type { Link, LinkObserver, LinkOptions, UpstreamLeft } from '../../ports/engine.js'
import { detailOf, isPeerGone, warnOfThrow } from '../shared/errors.js'
import type { InactivityReason } from '../shared/inactivity.js'
import { ENDS_WITH_RESET, withResolver } from '../shared/link-ends.js'
import { wantsClient } from '../shared/upstream-lost.js'
import type { LinuxConn } from './conn.js'
import { type ClockHost, LinkClock } from './link-clock.js'
import type { PipePool } from './pipes.js'
import { Pump, type PumpHost } from './pump.js'
import type { Reactor, Task } from './reactor.js'

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

export class LinuxLink implements Link, PumpHost, ClockHost, Task {
  /** Its client's. */
  readonly id: number
  isQueued = false
  readonly #client: LinuxConn
  readonly #upstream: LinuxConn
  readonly #observer: LinkObserver
  readonly #onOver: (link: LinuxLink) => void
  readonly #up: Pump
  readonly #down: Pump
  readonly #clock: LinkClock
  #state: State = MOVING
  #endedFirst: Direction | null = null
  /** The one that took something last. */
  #lastTaker: Pump | null = null
  #keepsEnd = false
  #askedOfLoss = false

  constructor(
    client: LinuxConn,
    upstream: LinuxConn,
    observer: LinkObserver,
    options: LinkOptions,
    reactor: Reactor,
    pipes: PipePool,
    onOver: (link: LinuxLink) => void,
  ) {
    this.id = client.id
    this.#client = client
    this.#upstream = upstream
    this.#observer = observer
    this.#onOver = onOver
    this.#up = new Pump('upstream', client, upstream, observer, this, reactor, pipes)
    this.#down = new Pump('downstream', upstream, client, observer, this, reactor, pipes)
    this.#clock = new LinkClock(reactor, options, this)
    client.attach(this.#up, this.#down)
    upstream.attach(this.#down, this.#up)
    // No callback may come before `link` has returned.
    reactor.enqueue(this)
  }

  get totals(): PerDirection<number> {
    return { upstream: this.#up.passed, downstream: this.#down.passed }
  }

  /** Starts. */
  run(): void {
    if (this.#state.kind !== 'moving') return
    if (!this.#client.isOpen) this.connBroke(this.#client, brokenBy(this.#client))
    else if (!this.#upstream.isOpen) this.connBroke(this.#upstream, brokenBy(this.#upstream))
    else {
      this.#up.start()
      this.#down.start()
    }
  }

  hold(): void {
    if (this.#state.kind !== 'moving') return
    this.#clock.hold()
    this.#up.hold()
    this.#down.hold()
  }

  release(): void {
    if (this.#state.kind !== 'moving') return
    this.#clock.release()
    this.#up.release()
    this.#down.release()
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
    process.nextTick(() => this.#takeApart())
    return result
  }

  destroy(reason: CloseReason, error: Error | null = null): void {
    const state = this.#state
    if (state.kind === 'over') return
    const interruption = state.kind === 'interrupting' ? state.interruption : null
    this.#over(interruption, false)
    const close = ENDS_WITH_RESET.has(reason) ? 'reset' : 'destroy'
    this.#client[close]()
    this.#upstream[close]()
    process.nextTick(() => {
      this.#tellEnd(reason, error)
      interruption?.resolve('failed')
    })
  }

  expired(reason: InactivityReason): void {
    this.destroy(reason)
  }

  /** Only the upstream is lost, and whoever watches wants to keep the client. */
  spares(lost: Pump): boolean {
    if (lost !== this.#down || this.#state.kind !== 'moving' || !this.#isUntouched) return false
    if (this.#askedOfLoss) return false
    this.#askedOfLoss = true
    if (!wantsClient(this.#observer, (error) => this.hookFailed(error))) return false
    if (this.#state.kind !== 'moving') return true
    const untaken = this.#up.takeUntaken()
    this.#over(null, true)
    if (untaken !== null) this.#client.giveBack(untaken)
    this.#upstream.destroy()
    process.nextTick(() => this.#tellEnd(null, null))
    return true
  }

  /** The upstream is as it was, as far as its kernel knows; asked before the client's first bytes are taken. */
  mayTake(pump: Pump): boolean {
    if (pump !== this.#up || this.#askedOfLoss || !this.#isUntouched) return true
    if (this.#observer.onUpstreamLost === undefined) return true
    // One that is broken is told of meanwhile.
    const left = this.#upstream.left()
    return this.#state.kind === 'moving' && !(left === 'half_closed' && this.spares(this.#down))
  }

  get #isUntouched(): boolean {
    return this.#up.isUntouched && this.#down.isUntouched && this.#client.isOpen
  }

  moved(taker: Pump | null): void {
    if (taker !== null) this.#lastTaker = taker
    this.#clock.moved()
  }

  isAnswered(): boolean {
    const [up, down] = [this.#up, this.#down]
    if (up.hasPending || down.hasPending || down.hasWaiting) return false
    return this.#lastTaker !== up && !this.#upstreamHasEnded
  }

  keepEnd(): void {
    this.#keepsEnd = !this.#upstreamHasEnded
  }

  passEnd(): void {
    if (!this.#keepsEnd) return
    this.#keepsEnd = false
    if (this.#state.kind === 'moving' && this.#up.phase === 'ended') this.#passOn(this.#up)
  }

  sourceEnded(pump: Pump): void {
    if (this.#state.kind !== 'moving') return
    this.#endedFirst ??= pump.direction
    this.#clock.halfClosed()
    if (pump === this.#up && this.#keepsEnd) return
    this.#passOn(pump)
    if (pump === this.#down) this.passEnd()
  }

  #passOn(pump: Pump): void {
    const other = pump === this.#up ? this.#down : this.#up
    // The last FIN goes out with the close: one system call less.
    if (other.phase === 'over' && pump.destination.canCloseForFin) this.#finish()
    else pump.forwardEnd()
  }

  finished(): void {
    if (this.#up.phase === 'over' && this.#down.phase === 'over') this.#finish()
  }

  #finish(): void {
    this.destroy(this.#endedFirst === 'upstream' ? 'client_fin' : 'upstream_fin')
  }

  connBroke(conn: LinuxConn, error: Error | null): void {
    if (this.#state.kind === 'interrupting') {
      // The client is nobody's concern any more, unless the upstream still waits for what it sent.
      if (conn === this.#upstream) this.#conclude()
      return
    }
    if (conn === this.#upstream && this.spares(this.#down)) return
    const reset = conn === this.#client ? 'client_reset' : 'upstream_reset'
    this.destroy(isPeerGone(error) ? reset : 'error', detailOf(error))
  }

  hookFailed(error: Error): void {
    this.destroy('error', error)
  }

  settled(): void {
    this.#conclude()
  }

  #takeApart(): void {
    if (this.#state.kind !== 'interrupting') return
    this.#down.stop(true)
    this.#client.detach(this.#down)
    this.#upstream.detach(this.#down)
    this.#client.detach(this.#up)
    // The upstream stays the destination of what was read from the client.
    this.#up.settle()
  }

  #interruptTimedOut(): void {
    this.#upstream.destroy()
    this.#conclude()
  }

  #conclude(): void {
    if (this.#state.kind !== 'interrupting') return
    const { interruption } = this.#state
    this.#over(interruption, true)
    const left = this.#upstream.left()
    this.#tellEnd(null, null)
    interruption.resolve(left)
  }

  #over(interruption: Interruption | null, keep: boolean): void {
    this.#state = interruption === null ? OVER : { kind: 'over', interruption }
    clearTimeout(interruption?.timer)
    this.#clock.stop()
    this.#leave(this.#up, keep)
    this.#leave(this.#down, keep)
    this.#onOver(this)
  }

  #leave(pump: Pump, keep: boolean): void {
    pump.stop(keep)
    this.#client.detach(pump)
    this.#upstream.detach(pump)
  }

  get #upstreamHasEnded(): boolean {
    return this.#down.phase === 'ended' || this.#down.phase === 'over'
  }

  #tellEnd(reason: CloseReason | null, error: Error | null): void {
    try {
      this.#observer.onEnd({ reason, error, totals: this.totals })
    } catch (thrown) {
      warnOfThrow("a link's onEnd", thrown)
    }
  }
}

const brokenBy = (conn: LinuxConn): Error | null => (conn.life.kind === 'broken' ? conn.life.error : null)
