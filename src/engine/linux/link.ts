/** A link on this engine: its pumps have their turns at the reactor, and what they could not pass on stays with its source. */

import type { LinkObserver, LinkOptions } from '../../ports/engine.js'
import type { InactivityReason } from '../shared/inactivity.js'
import { JoinedLink } from '../shared/link.js'
import type { LinuxConn } from './conn.js'
import { type ClockHost, LinkClock } from './link-clock.js'
import type { PipePool } from './pipes.js'
import { Pump, type PumpHost } from './pump.js'
import type { Reactor, Task } from './reactor.js'

export class LinuxLink extends JoinedLink<LinuxConn, Pump> implements PumpHost, ClockHost, Task {
  /** Its client's. */
  readonly id: number
  isQueued = false
  protected readonly up: Pump
  protected readonly down: Pump
  protected readonly clock: LinkClock
  readonly #onOver: (link: LinuxLink) => void

  constructor(
    client: LinuxConn,
    upstream: LinuxConn,
    observer: LinkObserver,
    options: LinkOptions,
    reactor: Reactor,
    pipes: PipePool,
    onOver: (link: LinuxLink) => void,
  ) {
    super(client, upstream, observer)
    this.id = client.id
    this.#onOver = onOver
    this.up = new Pump('upstream', client, upstream, observer, this, reactor, pipes)
    this.down = new Pump('downstream', upstream, client, observer, this, reactor, pipes)
    this.clock = new LinkClock(reactor, options, this)
    client.attach(this.up, this.down)
    upstream.attach(this.down, this.up)
    // No callback may come before `link` has returned.
    reactor.enqueue(this)
  }

  run(): void {
    this.start()
  }

  expired(reason: InactivityReason): void {
    this.destroy(reason)
  }

  /** The upstream is as it was, as far as its kernel knows; asked before the client's first bytes are taken. */
  override mayTake(pump: Pump): boolean {
    if (pump !== this.up || this.askedOfLoss || !this.isUntouched) return true
    if (this.observer.onUpstreamLost === undefined) return true
    // One that is broken is told of meanwhile.
    const left = this.upstream.left()
    return this.isMoving && !(left === 'half_closed' && this.spares(this.down))
  }

  connBroke(conn: LinuxConn, error: Error | null): void {
    if (!this.isInterrupting) this.broke(conn, error)
    // The client is nobody's concern any more, unless the upstream still waits for what it sent.
    else if (conn === this.upstream) this.conclude()
  }

  override settled(): void {
    this.conclude()
  }

  protected override passOn(pump: Pump): void {
    const other = pump === this.up ? this.down : this.up
    // The last FIN goes out with the close: one system call less.
    if (other.phase === 'over' && pump.destination.canCloseForFin) this.finish()
    else pump.forwardEnd()
  }

  protected override takeApart(): void {
    this.down.stop(true)
    this.client.detach(this.down)
    this.upstream.detach(this.down)
    this.client.detach(this.up)
    // The upstream stays the destination of what was read from the client.
    this.up.settle()
  }

  protected override spareClient(): void {
    const untaken = this.up.takeUntaken()
    this.over()
    if (untaken !== null) this.client.giveBack(untaken)
  }

  protected override part(keep: boolean): void {
    this.#leave(this.up, keep)
    this.#leave(this.down, keep)
    this.#onOver(this)
  }

  #leave(pump: Pump, keep: boolean): void {
    pump.stop(keep)
    this.client.detach(pump)
    this.upstream.detach(pump)
  }
}
