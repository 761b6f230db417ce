/** The upstreams of a gateway: opens what a config says, and takes over another config later. */

import type { GatewayConfig } from '../../config/config.js'
import { DEFAULT_KEEP_ALIVE_MS } from '../../config/defaults.js'
import { TidegateError } from '../../errors.js'
import type { Activator } from '../../ports/activator.js'
import type { DialOptions, Engine } from '../../ports/engine.js'
import type { Logger } from '../../ports/logger.js'
import type { ServiceStatus } from '../wake/service-figures.js'
import { LEAST_STOP_MS, type Supervisor } from '../wake/supervisor.js'
import { ManagedUpstream, type UpstreamStatus } from './managed-upstream.js'
import type { Lookup } from './resolver.js'
import type { Turn, UpstreamPlanes } from './settings.js'
import { UpstreamBoard } from './upstream-board.js'

export interface UpstreamSetOptions {
  /** How many take part. */
  readonly planeCount: number
  readonly engine: Engine
  readonly logger: Logger
  readonly lookup: Lookup
  readonly now: () => number
  /** The program's own, by the upstream's name. */
  readonly activators: Readonly<Record<string, Activator>>
  /** An upstream has other addresses, maybe more. May call `keepWarm`. */
  readonly sized: () => void
}

/** Or half of the time, if that is less than what a service needs at least. Connections that are open have the rest. */
const MOST_FOR_SERVICES = 1 / 3

/** For connections that no listener's client waits for: a listener's own settings are for its clients. */
const dialOptions = ({ timeouts }: GatewayConfig): DialOptions => ({
  timeoutMs: timeouts.connectMs,
  noDelay: true,
  keepAliveMs: DEFAULT_KEEP_ALIVE_MS,
})

export class UpstreamSet {
  readonly #options: UpstreamSetOptions
  readonly #planes: UpstreamPlanes
  readonly #byName = new Map<string, ManagedUpstream>()

  constructor(planes: UpstreamPlanes, options: UpstreamSetOptions) {
    this.#planes = planes
    this.#options = options
  }

  /** Resolves when the planes know all of them. Others stay, for listeners that still lead there. */
  async become(config: GatewayConfig): Promise<void> {
    const dial = dialOptions(config)
    await Promise.all(
      Object.values(config.upstreams).map((upstream) => {
        const known = this.#byName.get(upstream.name)
        if (known !== undefined) return known.become(upstream, dial)
        const board = new UpstreamBoard(this.#options.planeCount)
        const managed = new ManagedUpstream(upstream, dial, { ...this.#options, board, planes: this.#planes })
        this.#byName.set(upstream.name, managed)
        return managed.open()
      }),
    )
  }

  /** All but these are not in the config any more. */
  keep(names: ReadonlySet<string>): void {
    for (const [name, upstream] of this.#byName) if (!names.has(name)) upstream.drop()
  }

  /** Clients wait for its service to start. */
  wanted(name: string): void {
    this.#byName.get(name)?.service?.wanted()
  }

  /** @throws TidegateError `not_found` */
  service(name: string): Supervisor {
    const service = this.#byName.get(name)?.service ?? null
    if (service !== null) return service
    const message = this.#byName.has(name)
      ? `the service of upstream '${name}' is not started on demand; expected one with wake`
      : `there is no upstream '${name}'`
    throw new TidegateError('not_found', message, { fault: 'usage', where: name })
  }

  /** How many addresses it has; 0: none, or not known. */
  sizeOf(name: string): number {
    return this.#byName.get(name)?.size ?? 0
  }

  /** What the pools keep ready of each address from now on, by upstream. */
  keepWarm(warm: ReadonlyMap<string, number>): void {
    for (const [name, min] of warm) this.#byName.get(name)?.keepWarm(min)
  }

  turned(name: string, slot: number, turn: Turn): void {
    this.#byName.get(name)?.turned(slot, turn)
  }

  /** `lent`: of services that accept by themselves. */
  status(lent: (name: string) => ServiceStatus | null): Readonly<Record<string, UpstreamStatus>> {
    return Object.fromEntries(
      Array.from(this.#byName, ([name, upstream]) => {
        const status = upstream.status()
        return [name, { ...status, service: status.service ?? lent(name) }]
      }),
    )
  }

  /** Of the time that the gateway may take to close, what running services need to stop. */
  stopReserveMs(closeWithinMs: number): number {
    const needs = Array.from(this.#byName.values(), ({ service }) => service?.stopNeedsMs ?? 0)
    const most = Math.max(closeWithinMs * MOST_FOR_SERVICES, Math.min(LEAST_STOP_MS, closeWithinMs / 2))
    return Math.min(Math.max(0, ...needs), most)
  }

  /** Services that end are not waited for any more. */
  hurry(): void {
    for (const { service } of this.#byName.values()) service?.hurry()
  }

  /** Resolves when their services have ended: gently within the time, but with a moment in any case. */
  async close(stopWithinMs: number): Promise<void> {
    await Promise.all(Array.from(this.#byName.values(), (upstream) => upstream.close(stopWithinMs)))
  }
}
