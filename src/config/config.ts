/**
 * The config as the gateway uses it: parsed once, frozen through and through (but for bytes, which JavaScript cannot
 * freeze), every default filled in. Nothing downstream validates it again.
 *
 * - input: what a user writes ({@link GatewayConfigInput}): text with units, sections left out
 * - config: what this room makes of it ({@link GatewayConfig}): addresses, milliseconds, bytes
 * - problem: one thing wrong with an input; all of them are reported at once
 */

import type { Address } from '../core/address.js'
import type { BalancePolicy } from '../core/balance/policy.js'
import type { ByteTemplate } from '../core/byte-template.js'
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
  /** Not null only if {@link GatewayConfig.record} is not. */
  readonly record: CaptureConfig | null
  /** What resource groups get: as `record`, or with `record: false` what the general section says. Null: everything. */
  readonly handedOver: CaptureConfig | null
}

export interface EndpointConfig {
  /** Never port 0. */
  readonly address: Address
  /** 1 to 256: its share beside the others'. `first` has no use for it. */
  readonly weight: number
  /** Gets clients only while all others are out of service. */
  readonly backup: boolean
}

/** What is learnt from clients' own dials. */
export interface PassiveHealthConfig {
  /** Failed dials in a row until an endpoint is left out for a while; 0: never. */
  readonly failures: number
  /** How long the first time; twice as long each further time, up to `maxBackoffMs`. At least 1. */
  readonly backoffMs: number
  /** At least `backoffMs`. */
  readonly maxBackoffMs: number
}

/** What is learnt from connections made for nothing else. */
export interface CheckConfig {
  readonly intervalMs: number
  /** For the connection and the reply together; at least 1, at most `intervalMs`. */
  readonly timeoutMs: number
  /** Checks passed in a row that make an endpoint that is down up again; at least 1. */
  readonly rise: number
  /** Checks failed in a row that make an endpoint that is up down; at least 1. */
  readonly fall: number
  /** Sent once connected. */
  readonly send: Uint8Array | null
  /** What the reply must begin with; null: connecting is enough. */
  readonly expect: Uint8Array | null
}

/** The proof that a connection is clean: these bytes are sent, exactly those come back. Same nonce in both. */
export interface ResetConfig {
  readonly send: ByteTemplate
  readonly expect: ByteTemplate
  /** At least 1. */
  readonly timeoutMs: number
}

export interface PoolConfig {
  /** `prewarm`: dialled ahead, one client each. `reuse`: taken back when its client has left. */
  readonly mode: 'off' | 'prewarm' | 'reuse'
  /** Idle connections kept ready per endpoint, dialled ahead; at least 1 with `prewarm`, at most `max`. */
  readonly min: number
  /** Most idle connections kept per endpoint; at least 1, never above the upstream's `maxConnections` (if that is not 0). */
  readonly max: number
  /** 0: never. */
  readonly idleTimeoutMs: number
  /** Since it was dialled; 0: never. */
  readonly maxAgeMs: number
  /** Clients that one connection serves; 0: no limit. */
  readonly maxUses: number
  /** Not null only with `reuse`, and then only if not `stateless`. */
  readonly reset: ResetConfig | null
  /** True only with `reuse`. */
  readonly stateless: boolean
  /** How long the upstream must have been silent before another client gets the connection; 0: not waited for. */
  readonly quietMs: number
}

/** What starts a service. */
export type WakeDriverConfig =
  /** A process, by the words of its command. */
  | { readonly kind: 'exec'; readonly argv: readonly string[] }
  | {
      readonly kind: 'command'
      readonly start: readonly string[]
      readonly stop: readonly string[]
      /** Ends with 0 while the service is up. */
      readonly isUp: readonly string[]
      /** How often it is asked while the service is up; at least 1. */
      readonly intervalMs: number
    }
  /** An activator that the program gives. */
  | { readonly kind: 'custom' }

/** When a service that was started is ready. `driver`: when whatever starts it says so. */
export type WakeReadyConfig =
  | { readonly by: 'connect' | 'notify' | 'driver' }
  | { readonly by: 'output'; readonly pattern: string }
  | { readonly by: 'command'; readonly argv: readonly string[] }

export interface WakeConfig {
  /** `inetd`: one process per client. `listener`: the process gets the listening socket. */
  readonly mode: 'service' | 'inetd' | 'listener'
  readonly driver: WakeDriverConfig
  /** Null: our own. */
  readonly workdir: string | null
  /** Beside our own environment. */
  readonly env: Readonly<Record<string, string>>
  readonly user: string | number | null
  readonly group: string | number | null
  /** 0: it is never stopped for being idle. */
  readonly idleMs: number
  readonly idleBy: 'connections' | 'bytes'
  readonly minUptimeMs: number
  /** At least 1. */
  readonly startMs: number
  /** The longest pause between two looks whether it is ready; at least 1. */
  readonly readyMs: number
  readonly ready: WakeReadyConfig
  /** At least 1. */
  readonly stopTimeoutMs: number
  readonly stopSignal: StopSignal
  /** What wakes it. */
  readonly on: 'connect' | 'data'
  /** First bytes that wake it; empty: any. Not empty only with `data`. */
  readonly match: readonly Uint8Array[]
  /** CIDR rules, valid: who wakes it; empty: everybody. */
  readonly from: readonly string[]
}

type StopSignal = 'SIGTERM' | 'SIGINT' | 'SIGQUIT' | 'SIGHUP' | 'SIGUSR1' | 'SIGUSR2'

export interface UpstreamConfig {
  /** Its key: the name given, or the address's text where a listener names an address itself. */
  readonly name: string
  /** In the order written; never empty, no address twice, not all of them backups. */
  readonly endpoints: readonly [EndpointConfig, ...EndpointConfig[]]
  readonly balance: BalancePolicy
  /** Per endpoint; 0: no limit. */
  readonly maxConnections: number
  /** For a client that waits because all endpoints are full; 0: no limit. */
  readonly queueTimeoutMs: number
  /** Clients that may wait; 0: none does. */
  readonly maxQueue: number
  /** 0: names are looked up once. */
  readonly resolveIntervalMs: number
  readonly passiveHealth: PassiveHealthConfig
  /** Null: no active checks. */
  readonly check: CheckConfig | null
  /** What happens to the sessions of an endpoint that its checks say is down; `cut` only with `check`. */
  readonly onDown: 'keep' | 'cut'
  readonly pool: PoolConfig
  /** Not null only with pool mode `off`. */
  readonly sendProxyProtocol: 'v1' | 'v2' | null
  /** Null: the service is there anyway. In the modes without endpoints, the one endpoint stands for the command. */
  readonly wake: WakeConfig | null
}

/** What of a listener's connections is recorded. */
export interface CaptureConfig {
  /** Whether from the start; it can be switched while the gateway runs. */
  readonly enabled: boolean
  /** Part of the connections, 0 to 1. */
  readonly sample: number
  readonly sampleBy: 'client' | 'random'
  /** CIDR rules, valid; empty: everybody. */
  readonly allow: readonly string[]
  readonly deny: readonly string[]
  /** Of each direction; null: no limit. */
  readonly maxBytes: number | null
  readonly redact: readonly RedactConfig[]
}

/** A rule of `core/redact`. */
export interface RedactConfig {
  readonly pattern: string
  readonly after: string | null
  readonly ignoreCase: boolean
}

/** Many files, one after the other or side by side. */
export interface FilesConfig {
  /** See `core/record/files`. */
  readonly template: string
  /** Null: never. */
  readonly rotateBytes: number | null
  readonly rotateMs: number | null
  readonly compress: 'none' | 'gzip' | 'zstd'
  /** Null: no limit. */
  readonly keepBytes: number | null
  readonly keepMs: number | null
  readonly keepFiles: number | null
}

export interface SpoolConfig {
  readonly dir: string
  readonly bytes: number
}

/** Where a recording goes. */
export type RecordPlace =
  | { readonly kind: 'file'; readonly path: string }
  | ({ readonly kind: 'files' } & FilesConfig)
  /** Null: a sink of the program's own. */
  | { readonly kind: 'sink'; readonly url: string | null; readonly spool: SpoolConfig }

export interface RecordConfig {
  readonly place: RecordPlace
  readonly minFreeBytes: number
  readonly sync: 'never' | 'interval' | 'always'
  readonly syncIntervalMs: number
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
  /** What listeners have that say nothing else, and connections that no listener's client waits for. */
  readonly timeouts: TimeoutsConfig
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

export type { GatewayConfigInput } from './input.js'
