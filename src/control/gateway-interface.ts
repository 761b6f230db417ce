/** What a program, and the command line, hold of a gateway. */

import type { GatewayConfig, GatewayConfigInput } from '../config/config.js'
import type { ConnectionCounters, LiveConnection } from '../core/session/record.js'
import type { ResourceGroup } from '../ports/resource-group.js'
import type { GatewayListener } from './listener-set.js'
import type { ResourceCounters } from './recording/groups/group-recording.js'
import type { RecordingCounters } from './recording/recording.js'
import type { UpstreamStatus } from './upstreams/managed-upstream.js'
import type { ServiceStatus } from './wake/service-figures.js'

export interface GatewayCounters {
  /** By listener name; a listener that a reload removed keeps its figures. */
  readonly listeners: Readonly<Record<string, ConnectionCounters>>
  /** By name; one that a reload removed keeps its figures. */
  readonly upstreams: Readonly<Record<string, UpstreamStatus>>
  /** Null when nothing is recorded. */
  readonly recording: RecordingCounters | null
  /** What resource groups were handed; null without them. */
  readonly resources: ResourceCounters | null
}

/** A service that is started on demand. */
export interface GatewayService {
  status(): ServiceStatus
  /** Starts it as a client would that connects; it is stopped again when it is idle. */
  start(): void
  /** Forgets that starts have failed: the next client starts it. */
  reset(): void
}

export interface Gateway {
  readonly listeners: readonly GatewayListener[]
  /** The connections that are open now, oldest first. */
  connections(): readonly LiveConnection[]
  counters(): GatewayCounters
  /**
   * The service of an upstream that is started on demand (`wake`).
   * @throws TidegateError `not_found`: there is no upstream of that name, or its service is not started on demand.
   */
  service(upstream: string): GatewayService
  /**
   * Switches the recording of a listener on or off, on all threads at once and without touching its connections. Off: those that
   * come are not recorded, and what those being recorded say meanwhile is cut, not lost (`switched off`). On again: these go on
   * being recorded, and so are those that come.
   * @throws TidegateError `not_found` without such a listener; `misuse` for one that its config does not record.
   */
  setRecording(listener: string, isOn: boolean): void
  /**
   * Has another resource group take what new connections say: those of one listener, or of all. Resolves when it holds on all
   * threads. Connections that are open keep the group they have, which is closed after the last of them. Null: nobody takes it.
   * @throws TidegateError (rejects) `misuse`: the gateway was created without resource groups, or is closed; the group has been closed.
   * `not_found`: there is no such listener. `value_invalid`: it is no group.
   */
  updateResourceGroup(group: ResourceGroup | null, listener?: string): Promise<void>
  /** Ends one connection at once, with reason `killed`. False when there is no such connection. */
  kill(id: number): boolean
  /**
   * Takes over another config without touching open connections: listeners come, go and change; one whose address
   * and socket options stay keeps its socket. What is recorded counts for the connections to come; `enabled` of `record`, where
   * it is new, for all (as {@link setRecording}). Where and how the recording is kept, the engine and the workers stay as they
   * were until the next start.
   * @throws TidegateError (rejects) `config_invalid`: nothing has changed. `misuse` after `close`. Errors of `listen`: that listener is
   * as it was, the others are as the new config says.
   */
  reload(config: GatewayConfigInput): Promise<void>
  /**
   * Stops accepting, lets connections end by themselves for the drain timeout (ms; default: the config's), cuts the
   * rest, completes the recording. Idempotent.
   */
  close(options?: { readonly drainTimeoutMs?: number }): Promise<void>
  /** As `close`, without waiting for connections; also ends a `close` that waits. A reload under way is finished first. */
  destroy(): Promise<void>
}

/** A gateway as the command line runs it: with configs that are parsed already. */
export interface ManagedGateway extends Gateway {
  /** What `close` waits at most, unless told otherwise. */
  readonly drainTimeoutMs: number
  /** As `reload`. */
  apply(config: GatewayConfig): Promise<void>
}
