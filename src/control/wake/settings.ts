/**
 * What planes know of a service that is started on demand, and what they say about it. Plain data goes from thread to thread.
 */

import type { UpstreamConfig } from '../../config/config.js'

/** Whom a service is started for. */
interface GuardSettings {
  readonly on: 'connect' | 'data'
  /** First bytes that wake it; empty: any. */
  readonly match: readonly Uint8Array[]
  /** CIDR rules: who wakes it; empty: everybody. */
  readonly from: readonly string[]
  /** For a client's first bytes. */
  readonly dataTimeoutMs: number
}

/** How a plane treats the clients of a service that is not open. */
export interface WakeSettings extends GuardSettings {
  /** Of the {@link ServiceGate}. */
  readonly gate: SharedArrayBuffer
}

/** A service that is one process per client. */
export interface InetdSettings extends GuardSettings {
  readonly argv: readonly [string, ...string[]]
  /** Null: our own. */
  readonly workdir: string | null
  readonly env: Readonly<Record<string, string>>
  /** Null: as this process. */
  readonly uid: number | null
  readonly gid: number | null
  readonly stopTimeoutMs: number
}

/** What the main thread tells all planes of a service. */
export type ServiceTurn =
  /** It is open: those that wait for it may go there. */
  | { readonly to: 'open' }
  /** It will not be open: those that wait for it are told. */
  | { readonly to: 'failed'; readonly message: string }
  /** It has ended: those that it served are ended. */
  | { readonly to: 'ended'; readonly message: string }
  /** It is about to be stopped although somebody is connected: nothing has moved for long. */
  | { readonly to: 'idle'; readonly message: string }
  /** Whether bytes have moved since the last time is to be noted at the gate. */
  | { readonly to: 'watched' }

/** An upstream whose service is started on demand. */
export type WokenUpstream = UpstreamConfig & { readonly wake: NonNullable<UpstreamConfig['wake']> }

export const isWoken = (upstream: UpstreamConfig): upstream is WokenUpstream => upstream.wake !== null
