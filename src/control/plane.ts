/** What the gateway needs of whatever serves its connections: one data plane here, or many on threads of their own. */

import type { Address } from '../core/address.js'
import type { AccessRules } from '../core/route/cidr.js'
import type { Overflow } from '../core/session/admission.js'
import type { ConnectionCounters, LiveConnection } from '../core/session/record.js'
import type { DescriptorBudget, DialOptions, LinkOptions, ListenSpec } from '../ports/engine.js'
import type { UpstreamPlanes } from './upstreams/settings.js'

/** Plain data: it goes from thread to thread. */
export interface ListenerSettings {
  readonly name: string
  readonly spec: ListenSpec
  readonly admission: AdmissionSettings
  /** null: clients are who they seem to be. */
  readonly proxy: ProxySettings | null
  readonly dial: DialOptions
  readonly link: LinkOptions
}

/** Whose PROXY headers are believed. */
export interface ProxySettings {
  /** `require`: all clients have to send one; `accept`: they may. */
  readonly mode: 'require' | 'accept'
  /** CIDR rules, valid, at least one: the peers that may send headers. */
  readonly from: readonly string[]
  /** For the whole header. */
  readonly timeoutMs: number
}

export interface AdmissionSettings {
  readonly access: AccessRules
  /** 0: no limit. */
  readonly maxConnections: number
  readonly overflow: Overflow
}

export interface Plane extends UpstreamPlanes {
  /** Before everything else. @throws TidegateError (rejects) `worker_failed`: a thread of its own does not start. */
  start(): Promise<void>
  /** Starts accepting. @throws TidegateError (rejects) as `Engine.listen`; nothing listens then. */
  open(settings: ListenerSettings): Promise<Address>
  /** New settings for the connections to come; the socket stays as it is. Resolves when they hold. */
  update(settings: ListenerSettings): Promise<void>
  /** Stops accepting on one listener; its connections live on, and those that wait are reset. */
  shut(name: string): Promise<void>
  /** What its engines keep to from now on. */
  setBudget(budget: DescriptorBudget): void
  /** Oldest first. */
  connections(): readonly LiveConnection[]
  counters(): ReadonlyMap<string, ConnectionCounters>
  /** False when there is no such connection. */
  kill(id: number): boolean
  /** Stops accepting, waits up to `timeoutMs` for the connections to end by themselves, then cuts them. */
  drain(timeoutMs: number): Promise<void>
  /** Ends every connection now, with reason `drained`. */
  cutAll(): void
  /** Lets go of everything that is left. Idempotent. */
  close(): Promise<void>
}

/** Links report their end in the same turn or the next; this only bounds a defect. */
export const CUT_TIMEOUT_MS = 1_000

/** Resolves as `work` does, or once the time is over. */
export const within = async (timeoutMs: number, work: Promise<void>): Promise<void> => {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs)
  })
  await Promise.race([work, timeout]).finally(() => clearTimeout(timer))
}
