/**
 * The control port: all that a data plane (an engine and the sessions on it) asks of the control plane. Direct
 * calls while both live on one thread; nothing else crosses between them.
 */

import type { Duplex } from 'node:stream'
import type { Address } from '../core/address.js'
import type { CloseReason } from '../core/close-reason.js'
import type { ConnectionIdentity, ConnectionRecord } from '../core/session/record.js'
import type { Link, LinkObserver } from './engine.js'

export type RouteDecision =
  /** One of the config's upstreams, which plans who is dialled. */
  | { readonly kind: 'upstream'; readonly upstream: string }
  /** Dial these, in order, until one answers. */
  | { readonly kind: 'endpoints'; readonly endpoints: readonly [Address, ...Address[]] }
  /** A connected stream of the caller's own; `address` is what the log calls it. */
  | { readonly kind: 'stream'; readonly stream: Duplex; readonly address: Address }
  | { readonly kind: 'failed'; readonly reason: CloseReason; readonly error: Error }

/** A connection that has its upstream. */
export interface LinkedConnection extends ConnectionIdentity {
  /** As configured or chosen: it may be a name. */
  readonly upstream: Address
  /** The address behind it that it is really connected to. */
  readonly server: Address
}

/** Who reads along on one link; see {@link LinkObserver}. Empty when nobody does. */
export type LinkWatch = Omit<LinkObserver, 'onEnd' | 'onUpstreamLost'>

export interface ControlPort {
  /**
   * Where to connect this client. May take its time; a rejection ends the connection with `error`. The signal that `unwanted`
   * gives is aborted if the connection ends before the answer is there; it is made when it is first asked for.
   */
  route(connection: ConnectionIdentity, unwanted: () => AbortSignal): RouteDecision | Promise<RouteDecision>
  /** Called just before the link is made; `link` returns it once it is. Throwing ends the connection with `error`. */
  watch(connection: LinkedConnection, link: () => Link | null): LinkWatch
  /** Called once for each connection, refused ones included. Must not throw. */
  closed(record: ConnectionRecord): void
}
