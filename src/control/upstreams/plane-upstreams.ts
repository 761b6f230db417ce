/** The upstreams of one plane, by name. */

import { TidegateError } from '../../errors.js'
import { InetdCourse } from '../wake/inetd-course.js'
import { PlaneService } from '../wake/plane-service.js'
import { PlaneUpstream, type PlaneUpstreamOptions } from './plane-upstream.js'
import type { Course, Next } from './reach.js'
import type { UpstreamSettings } from './settings.js'
import type { UpstreamBoard } from './upstream-board.js'

export class PlaneUpstreams {
  readonly #options: PlaneUpstreamOptions
  readonly #byName = new Map<string, PlaneUpstream>()
  /** Of upstreams whose service is started on demand. */
  readonly #services = new Map<string, PlaneService>()
  /** Of upstreams that are one process per client. */
  readonly #inetds = new Map<string, InetdCourse>()
  /** That a reload has taken away, while clients have processes still. */
  readonly #retired = new Set<InetdCourse>()

  constructor(options: PlaneUpstreamOptions) {
    this.#options = options
  }

  /** A new one, or other settings of one that is known. */
  set(settings: UpstreamSettings, board: UpstreamBoard): void {
    const known = this.#byName.get(settings.name)
    const upstream = known ?? new PlaneUpstream(settings, board, this.#options)
    this.#byName.set(settings.name, upstream)
    this.#setService(upstream, settings)
    this.#setInetd(upstream, settings)
    if (known !== undefined) known.update(settings)
  }

  #setService(upstream: PlaneUpstream, { name, wake }: UpstreamSettings): void {
    const known = this.#services.get(name)
    if (wake === null) {
      this.#services.delete(name)
      known?.retire()
    } else if (known === undefined) this.#services.set(name, new PlaneService(upstream, wake))
    else known.update(wake)
  }

  #setInetd(upstream: PlaneUpstream, { name, inetd }: UpstreamSettings): void {
    const known = this.#inetds.get(name)
    if (inetd === null) {
      this.#inetds.delete(name)
      if (known !== undefined) void this.#retire(known)
    } else if (known === undefined) this.#inetds.set(name, new InetdCourse(upstream, inetd))
    else known.update(inetd)
  }

  async #retire(inetd: InetdCourse): Promise<void> {
    this.#retired.add(inetd)
    await inetd.retire()
    this.#retired.delete(inetd)
  }

  get(name: string): PlaneUpstream | undefined {
    return this.#byName.get(name)
  }

  service(name: string): PlaneService | undefined {
    return this.#services.get(name)
  }

  course(name: string): Course {
    return this.#services.get(name) ?? this.#inetds.get(name) ?? this.#byName.get(name) ?? new NoCourse(name)
  }

  /** Closes up to `count` idle connections: their descriptors are needed. Returns how many were. */
  evictIdle(count: number): number {
    let evicted = 0
    for (const upstream of this.#byName.values()) {
      if (evicted >= count) break
      evicted += upstream.evictIdle(count - evicted)
    }
    return evicted
  }

  /** How many idle connections the other planes have. */
  get idleElsewhere(): number {
    let idle = 0
    for (const upstream of this.#byName.values()) idle += upstream.idleElsewhere
    return idle
  }

  /** All idle connections are closed, and no more are made. Resolves when the processes of clients have ended. */
  async close(): Promise<void> {
    for (const upstream of this.#byName.values()) upstream.retire()
    await Promise.all(Array.from([...this.#inetds.values(), ...this.#retired], (inetd) => inetd.close()))
  }
}

/** A reload took the upstream away while the client was on its way to it. */
class NoCourse implements Course {
  readonly #name: string

  constructor(name: string) {
    this.#name = name
  }

  next(): Next {
    const message = `there is no upstream '${this.#name}' any more`
    return {
      kind: 'none',
      reason: 'no_endpoint',
      error: new TidegateError('endpoint_down', message, { fault: 'usage' }),
    }
  }

  forget(): void {}
}
