/** A link on this engine: its sockets push what they read, and what the kernel has is known one whole poll of the loop later. */

import type { LinkObserver, LinkOptions } from '../../ports/engine.js'
import { JoinedLink } from '../shared/link.js'
import type { PortableConn } from './conn.js'
import { LinkClock } from './link-clock.js'
import { Pump, type PumpHost } from './pump.js'
import { READ_BYTES } from './socket-options.js'

/** One full read: enough to keep both sockets busy, little enough to have ten thousand links. */
const DEFAULT_BUFFER_BYTES = 64 * 1024

export class PortableLink extends JoinedLink<PortableConn, Pump> implements PumpHost {
  protected readonly up: Pump
  protected readonly down: Pump
  protected readonly clock: LinkClock
  readonly #onOver: (link: PortableLink) => void

  constructor(
    client: PortableConn,
    upstream: PortableConn,
    observer: LinkObserver,
    options: LinkOptions,
    onOver: (link: PortableLink) => void,
  ) {
    super(client, upstream, observer)
    this.#onOver = onOver
    const bufferBytes = Math.max(options.bufferBytes ?? DEFAULT_BUFFER_BYTES, READ_BYTES)
    this.up = new Pump('upstream', client, upstream, observer, this, bufferBytes)
    this.down = new Pump('downstream', upstream, client, observer, this, bufferBytes)
    this.clock = new LinkClock({
      idleTimeoutMs: options.idleTimeoutMs,
      halfCloseTimeoutMs: options.halfCloseTimeoutMs,
      queued: () => client.queued + upstream.queued,
      onExpired: (reason) => this.destroy(reason),
    })
    client.attach(this.up)
    upstream.attach(this.down)
    // No callback may come before `link` has returned.
    process.nextTick(() => this.start())
  }

  /** What the kernel knows of the upstream is to be heard before the client's first bytes are taken. */
  override mayTake(pump: Pump): boolean {
    if (pump !== this.up || this.observer.onUpstreamLost === undefined) return true
    return this.askedOfLoss || !this.isUntouched
  }

  broken(pump: Pump, error: Error | null): void {
    this.broke(pump.source, error)
  }

  override settled(): void {
    if (!this.isInterrupting) return
    this.stopInterruptTimer()
    // What the kernel has for the upstream now is unread too: one whole poll of the loop brings it in.
    setImmediate(() => setImmediate(() => this.conclude()))
  }

  protected override takeApart(): void {
    this.down.stop()
    this.client.detach(this.up)
    this.upstream.detach(this.down)
    this.up.settle()
  }

  protected override spareClient(): void {
    this.over()
  }

  protected override part(): void {
    this.up.stop()
    this.down.stop()
    this.client.detach(this.up)
    this.upstream.detach(this.down)
    this.#onOver(this)
  }
}
