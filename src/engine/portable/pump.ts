/**
 * One direction of a link: takes what the source has, lets the observer decide and see, and writes it to the
 * destination. It flows while nothing stops it:
 *
 *   FULL      the destination holds more than the buffer allows, until it has drained
 *   DECIDING  a transform's promise is pending
 *   HELD      the link is held
 *   LOOKING   whether the destination is still there, before the first bytes
 *
 * Memory per direction: the destination's queue (at most `bufferBytes`: a chunk is taken only while the queue is a
 * read below that) and the one read that was under way when the source was paused.
 */

import type { Direction } from '../../core/direction.js'
import type { LinkObserver } from '../../ports/engine.js'
import { hookError } from '../shared/errors.js'
import type { LinkHost, LinkPump, PumpPhase } from '../shared/link-parts.js'
import type { PortableConn } from './conn.js'
import type { Consumer } from './consumer.js'
import { READ_BYTES } from './socket-options.js'

const FULL = 1
const DECIDING = 2
const HELD = 4
const LOOKING = 8

export interface PumpHost extends LinkHost<Pump> {
  broken(pump: Pump, error: Error | null): void
}

export class Pump implements LinkPump, Consumer {
  readonly direction: Direction
  readonly source: PortableConn
  readonly destination: PortableConn
  /** Bytes passed on so far. */
  passed = 0
  readonly #observer: LinkObserver
  readonly #host: PumpHost
  /** The destination may hold this much and still be given another read. */
  readonly #fullAbove: number
  readonly #onWritten = (): void => this.#written()
  #phase: PumpPhase = 'new'
  #stops = 0
  #hasTaken = false
  #hasLooked = false
  #deciding: Uint8Array | null = null

  constructor(
    direction: Direction,
    source: PortableConn,
    destination: PortableConn,
    observer: LinkObserver,
    host: PumpHost,
    bufferBytes: number,
  ) {
    this.direction = direction
    this.source = source
    this.destination = destination
    this.#observer = observer
    this.#host = host
    this.#fullAbove = Math.max(0, bufferBytes - READ_BYTES)
  }

  get phase(): PumpPhase {
    return this.#phase
  }

  /** Something was taken that is not the destination's kernel's yet. */
  get hasPending(): boolean {
    return this.#deciding !== null || this.destination.backlog > 0
  }

  /** There is something to take that was not taken: the pump is stopped. */
  get hasWaiting(): boolean {
    return this.source.hasUnread
  }

  /** It has taken nothing, and its source has not ended. */
  get isUntouched(): boolean {
    return !this.#hasTaken && (this.#phase === 'flowing' || this.#phase === 'new')
  }

  start(): void {
    if (this.#phase !== 'new') return
    this.#phase = 'flowing'
    this.#steer()
  }

  hold(): void {
    this.#stop(HELD)
  }

  release(): void {
    this.#go(HELD)
  }

  /** Forwards the source's FIN. */
  forwardEnd(): void {
    if (this.#phase === 'ended') this.destination.sendEnd(() => this.#endWritten())
  }

  /** Takes nothing more; the host hears `settled` once what was taken is written. The source is free for others. */
  settle(): void {
    if (this.#phase !== 'over') this.#phase = 'settling'
    this.#checkSettled()
  }

  /** Touches neither socket any more. A chunk under decision goes back to the source, unread. */
  stop(): void {
    this.#phase = 'over'
    if (this.#deciding !== null) this.source.giveBack(this.#deciding)
    this.#deciding = null
  }

  take(chunk: Uint8Array): void {
    if (!this.#hasTaken && !this.#hasLooked && !this.#host.mayTake(this)) {
      this.source.giveBack(chunk)
      this.#look()
      return
    }
    this.#hasTaken = true
    this.#host.moved(this)
    if (this.#observer.transform === undefined) {
      this.#forward(chunk)
      return
    }
    try {
      const decided = this.#observer.transform(chunk, this.direction)
      if (decided === null || decided instanceof Uint8Array) this.#forward(decided)
      else this.#await(chunk, decided)
    } catch (thrown) {
      this.#fail('transform', thrown)
    }
  }

  sourceEnded(): void {
    if (this.#host.spares(this)) return
    this.#phase = 'ended'
    try {
      this.#observer.onEndOfStream?.(this.direction)
    } catch (thrown) {
      this.#fail('onEndOfStream', thrown)
      return
    }
    if (this.phase === 'ended') this.#host.sourceEnded(this)
  }

  broken(error: Error | null): void {
    this.#host.broken(this, error)
  }

  /** One whole poll brings in what the destination's kernel has. */
  #look(): void {
    this.#hasLooked = true
    this.#stop(LOOKING)
    setImmediate(() => setImmediate(() => this.#go(LOOKING)))
  }

  #await(chunk: Uint8Array, decision: Promise<Uint8Array | null>): void {
    this.#deciding = chunk
    this.#stop(DECIDING)
    decision.then(
      (bytes) => {
        if (this.#phase === 'over') return
        this.#deciding = null
        this.#forward(bytes)
        this.#go(DECIDING)
        this.#checkSettled()
      },
      (thrown: unknown) => this.#fail('transform', thrown),
    )
  }

  #forward(bytes: Uint8Array | null): void {
    if (bytes === null || bytes.length === 0 || this.#phase === 'over') return
    if (this.#observer.onData !== undefined) {
      try {
        this.#observer.onData(bytes, this.direction)
      } catch (thrown) {
        this.#fail('onData', thrown)
        return
      }
      // The observer may have ended the link. An interrupt still wants these bytes written.
      if (this.phase === 'over') return
    }
    this.passed += bytes.length
    this.destination.send(bytes, this.#onWritten)
    if (this.destination.backlog > this.#fullAbove) this.#stop(FULL)
  }

  #written(): void {
    if (this.#phase === 'over') return
    this.#host.moved(null)
    if (this.destination.backlog <= this.#fullAbove) this.#go(FULL)
    this.#checkSettled()
  }

  #endWritten(): void {
    if (this.#phase !== 'ended') return
    this.#phase = 'over'
    this.#host.finished(this)
  }

  #checkSettled(): void {
    const isWritten = this.#deciding === null && this.destination.backlog === 0
    if (this.#phase === 'over' || (this.#phase === 'settling' && (isWritten || !this.destination.isOpen)))
      this.#host.settled()
  }

  #fail(callback: string, thrown: unknown): void {
    if (this.#phase !== 'over') this.#host.hookFailed(hookError(callback, thrown))
  }

  #stop(why: number): void {
    const didFlow = this.#stops === 0
    this.#stops |= why
    if (didFlow) this.#steer()
  }

  #go(why: number): void {
    const wasStopped = this.#stops !== 0
    this.#stops &= ~why
    if (wasStopped && this.#stops === 0) this.#steer()
  }

  #steer(): void {
    if (this.#phase === 'flowing') this.source.flow(this.#stops === 0)
  }
}
