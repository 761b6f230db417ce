/**
 * What planes know of an upstream. Plain data: it goes from thread to thread.
 *
 * - upstream: a service by name, reached at one or more endpoints
 * - member: one address behind an endpoint. An endpoint that is a name has as many members as the name has addresses
 * - slot: a member's place in the upstream's board (upstream-board.ts)
 */

import type { PassiveHealthConfig, PoolConfig } from '../../config/config.js'
import type { Address } from '../../core/address.js'
import type { BalancePolicy } from '../../core/balance/policy.js'
import type { ProxyVersion } from '../../core/codec/proxy-protocol/header.js'
import type { Transition } from '../../core/health/transitions.js'
import type { DialOptions } from '../../ports/engine.js'
import type { InetdSettings, ServiceTurn, WakeSettings } from '../wake/settings.js'
import type { UpstreamBoard } from './upstream-board.js'

export interface Member {
  readonly slot: number
  readonly address: Address
  /** The address's text: what hashing goes by. */
  readonly key: string
  readonly weight: number
  /** Used only while no other member can be. */
  readonly backup: boolean
}

export interface UpstreamSettings {
  readonly name: string
  readonly members: readonly Member[]
  readonly balance: BalancePolicy
  /** Per member, those that are idle in a pool included; 0: no limit. */
  readonly maxConnections: number
  /** How long a client waits for its turn; 0: no limit. */
  readonly queueTimeoutMs: number
  /** How many clients may wait, on all planes together. */
  readonly maxQueue: number
  readonly passiveHealth: PassiveHealthConfig
  /** What happens to the connections of a member that is found to be down. */
  readonly onDown: 'keep' | 'cut'
  readonly pool: PoolConfig
  /** The header that tells the upstream who its client is. */
  readonly sendProxyProtocol: ProxyVersion | null
  /** For connections that no client waits for: spare ones and checks. */
  readonly dial: DialOptions
  /** Null: the service is there anyway. */
  readonly wake: WakeSettings | null
  /** Null: the service is no process per client. */
  readonly inetd: InetdSettings | null
}

/** What the log says of a member. `unclean`: connections that were taken back are closed, since the proof fails. */
export type Turn = Transition | { readonly to: 'unclean'; readonly message: string }

/** What a plane has to tell the others, or the main thread, of an upstream. */
export interface UpstreamNews {
  /** A place is free that clients of other planes wait for. */
  room(upstream: string): void
  /** Clients wait here for a place, while other planes keep idle connections. */
  wanted(upstream: string): void
  /** This plane's own dials or clients have shown it. */
  turned(upstream: string, slot: number, turn: Turn): void
  /** Clients wait here for the service to start. */
  wake(upstream: string): void
  /** A process that serves a client of this plane has printed a line; `pid` null: several have. */
  printed(upstream: string, pid: number | null, line: string): void
}

/** The planes. */
export interface UpstreamPlanes {
  setUpstream(settings: UpstreamSettings, board: UpstreamBoard): void
  /** Ends the connections of a member that is down, where that is wished. */
  cutMember(upstream: string, slot: number, why: string): void
  /** A member is well again: those that wait may go there. */
  serveUpstream(upstream: string): void
  /** The service of an upstream has started, failed or ended. */
  serviceTurned(upstream: string, turn: ServiceTurn): void
}
