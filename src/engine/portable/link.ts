/**
 * Two conns joined: a pump each way, a clock, and one end. A FIN is forwarded when its direction has drained; the link
 * is over when both have been, or on the first of: reset, timeout, failed observer, `destroy`, `interrupt`.
 */

import type { CloseReason } from '../../core/close-reason.js'
import type { Direction, PerDirection } from '../../core/direction.js'
import type { Link, LinkObserver, LinkOptions, UpstreamLeft } from '../../ports/engine.js'
import { detailOf, isPeerGone, warnOfThrow } from '../shared/errors.js'
import { ENDS_WITH_RESET, withResolver } from '../shared/link-ends.js'
import { wantsClient } from '../shared/upstream-lost.js'
import type { PortableConn } from './conn.js'
import { LinkClock } from './link-clock.js'
import { Pump, type PumpHost } from './pump.js'
import { READ_BYTES } from './socket-options.js'

/** One full read: enough to keep both sockets busy, little enough to have ten thousand links. */
const DEFAULT_BUFFER_BYTES = 64 * 1024

interface Interruption {
  readonly result: Promise<UpstreamLeft>
  readonly resolve: (left: UpstreamLeft) => void
  timer: NodeJS.Timeout | undefined
}

type State =
  | { readonly kind: 'moving' }
  | { readonly kind: 'interrupting'; readonly interruption: Interruption }
  | { readonly kind: 'over'; readonly interruption: Interruption | null }

export class PortableLink implements Link, PumpHost {
  readonly #client: PortableConn
  readonly #upstream: PortableConn
  readonly #observer: LinkObserver
  readonly #onOver: (link: PortableLink) => void
  readonly #up: Pump
  readonly #down: Pump
  readonly #clock: LinkClock
  #state: State = { kind: 'moving' }
  #endedFirst: Direction | null = null
  /** The one that took something last. */
  #lastTaker: Pump | null = null
  #keepsEnd = false
  #askedOfLoss = false

  constructor(
    client: PortableConn,
    upstream: PortableConn,
    observer: LinkObserver,
    options: LinkOptions,
    onOver: (link: PortableLink) => void,
  ) {
    this.#client = client
    this.#upstream = upstream
    this.#observer = observer
    this.#onOver = onOver
    const bufferBytes = Math.max(options.bufferBytes ?? DEFAULT_BUFFER_BYTES, READ_BYTES)
    this.#up = new Pump('upstream', client, upstream, observer, this, bufferBytes)
    this.#down = new Pump('downstream', upstream, client, observer, this, bufferBytes)
    this.#clock = new LinkClock({
      idleTimeoutMs: options.idleTimeoutMs,
      halfCloseTimeoutMs: options.halfCloseTimeoutMs,
      queued: () => client.queued + upstream.queued,
      onExpired: (reason) => this.destroy(reason),
    })
    client.attach(this.#up)
    upstream.attach(this.#down)
    // No callback may come before `link` has returned.
    process.nextTick(() => this.#start())
  }

  get totals(): PerDirection<number> {
    return { upstream: this.#up.passed, downstream: this.#down.passed }
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
    this.#over(interruption)
    const close = ENDS_WITH_RESET.has(reason) ? 'reset' : 'destroy'
    this.#client[close]()
    this.#upstream[close]()
    process.nextTick(() => {
      this.#tellEnd(reason, error)
      interruption?.resolve('failed')
    })
  }

  /** Only the upstream is lost, and whoever watches wants to keep the client. */
  spares(lost: Pump): boolean {
    if (lost !== this.#down || this.#state.kind !== 'moving' || !this.#isUntouched) return false
    if (this.#askedOfLoss) return false
    this.#askedOfLoss = true
    if (!wantsClient(this.#observer, (error) => this.hookFailed(error))) return false
    if (this.#state.kind !== 'moving') return true
    this.#over(null)
    this.#upstream.destroy()
    process.nextTick(() => this.#tellEnd(null, null))
    return true
  }

  /** What the kernel knows of the upstream is to be heard before the client's first bytes are taken. */
  mayTake(pump: Pump): boolean {
    if (pump !== this.#up || this.#observer.onUpstreamLost === undefined) return true
    return this.#askedOfLoss || !this.#isUntouched
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
    if (this.#state.kind === 'moving' && this.#up.phase === 'ended') this.#up.forwardEnd()
  }

  sourceEnded(pump: Pump): void {
    if (this.#state.kind !== 'moving') return
    this.#endedFirst ??= pump.direction
    this.#clock.halfClosed()
    if (pump === this.#up && this.#keepsEnd) return
    pump.forwardEnd()
    if (pump === this.#down) this.passEnd()
  }

  finished(): void {
    if (this.#up.phase === 'over' && this.#down.phase === 'over')
      this.destroy(this.#endedFirst === 'upstream' ? 'client_fin' : 'upstream_fin')
  }

  broken(pump: Pump, error: Error | null): void {
    if (this.spares(pump)) return
    const reset = pump.direction === 'upstream' ? 'client_reset' : 'upstream_reset'
    this.destroy(isPeerGone(error) ? reset : 'error', detailOf(error))
  }

  hookFailed(error: Error): void {
    this.destroy('error', error)
  }

  settled(): void {
    if (this.#state.kind !== 'interrupting') return
    clearTimeout(this.#state.interruption.timer)
    // What the kernel has for the upstream now is unread too: one whole poll of the loop brings it in.
    setImmediate(() => setImmediate(() => this.#conclude()))
  }

  #start(): void {
    if (this.#state.kind !== 'moving') return
    if (!this.#client.isOpen) this.broken(this.#up, brokenBy(this.#client))
    else if (!this.#upstream.isOpen) this.broken(this.#down, brokenBy(this.#upstream))
    else {
      this.#up.start()
      this.#down.start()
    }
  }

  #takeApart(): void {
    if (this.#state.kind !== 'interrupting') return
    this.#down.stop()
    this.#client.detach(this.#up)
    this.#upstream.detach(this.#down)
    this.#up.settle()
  }

  #interruptTimedOut(): void {
    this.#upstream.destroy()
    this.#conclude()
  }

  #conclude(): void {
    if (this.#state.kind !== 'interrupting') return
    const { interruption } = this.#state
    const left = this.#upstream.left()
    this.#over(interruption)
    this.#tellEnd(null, null)
    interruption.resolve(left)
  }

  #over(interruption: Interruption | null): void {
    this.#state = { kind: 'over', interruption }
    clearTimeout(interruption?.timer)
    this.#clock.stop()
    this.#up.stop()
    this.#down.stop()
    this.#client.detach(this.#up)
    this.#upstream.detach(this.#down)
    this.#onOver(this)
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

const brokenBy = (conn: PortableConn): Error | null => (conn.life.kind === 'broken' ? conn.life.error : null)
