/**
 * The config as the gateway uses it: parsed once, frozen through and through, every default filled in. Nothing
 * downstream validates it again.
 *
 * - input: what a user writes ({@link GatewayConfigInput}): text with units, sections left out
 * - config: what this room makes of it ({@link GatewayConfig}): addresses, milliseconds, bytes
 * - problem: one thing wrong with an input; all of them are reported at once
 */

import type { Address } from '../core/address.js'
import type { FailurePolicy, OverloadPolicy } from '../core/record/recorder.js'
import type { Overflow } from '../core/session/admission.js'

/** `auto`: linux where it runs, else portable. */
export type EngineName = 'auto' | 'linux' | 'portable'

type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'
/** `auto`: pretty on a terminal, else JSON. */
type LogFormat = 'auto' | 'pretty' | 'json'

/** Milliseconds; 0: no limit. */
export interface TimeoutsConfig {
  /** For one dial of one endpoint. */
  readonly connectMs: number
  /** No byte in either direction. */
  readonly idleMs: number
  /** One side has ended, and no byte from the other. */
  readonly halfCloseMs: number
}

export interface ListenerConfig {
  /** Unique among the listeners; as given, or the listen address's text. */
  readonly name: string
  readonly listen: Address
  /** A key of {@link GatewayConfig.upstreams}; null only where the caller said that it may be left out. */
  readonly upstream: string | null
  /** CIDR rules, valid; empty: everybody. */
  readonly allow: readonly string[]
  /** CIDR rules, valid; they win over `allow`. */
  readonly deny: readonly string[]
  /** Whether its clients' connections begin with a PROXY protocol header. */
  readonly proxyProtocol: 'off' | 'require' | 'accept'
  /** CIDR rules, valid: the peers whose headers are believed; never empty unless `proxyProtocol` is off. */
  readonly proxyFrom: readonly string[]
  /** For the whole header; more than 0. */
  readonly proxyTimeoutMs: number
  /** 0: no limit. */
  readonly maxConnections: number
  readonly overflow: Overflow
  readonly timeouts: TimeoutsConfig
  readonly noDelay: boolean
  /** 0: no keep-alive probes. */
  readonly keepAliveMs: number
  readonly backlog: number
  readonly ipv6Only: boolean
  /** Per direction of each connection. */
  readonly bufferBytes: number
  /** True only if {@link GatewayConfig.record} is not null. */
  readonly record: boolean
}

export interface UpstreamConfig {
  /** Its key: the name given, or the address's text where a listener names an address itself. */
  readonly name: string
  /** Tried in this order; never empty, never port 0. */
  readonly endpoints: readonly [Address, ...Address[]]
}

interface RecordConfig {
  readonly file: string
  readonly overload: OverloadPolicy
  readonly onFailure: FailurePolicy
  /** What may wait in memory to be written. */
  readonly bufferBytes: number
}

export interface LogConfig {
  readonly level: LogLevel
  readonly format: LogFormat
}

export interface GatewayConfig {
  /** Never empty. */
  readonly listeners: readonly ListenerConfig[]
  /** By name. Has no prototype, so that any name is safe to look up. */
  readonly upstreams: Readonly<Record<string, UpstreamConfig>>
  readonly record: RecordConfig | null
  readonly log: LogConfig
  readonly engine: EngineName
  /** Threads that serve connections; 0: the main thread does. Never above 0 with the portable engine. */
  readonly workers: number
  /** How long open connections may go on once the gateway closes; 0 cuts them at once. */
  readonly drainTimeoutMs: number
}

export type { GatewayConfigInput } from './schema.js'
