/** The upstreams of one plane, by name. */

import { TidegateError } from '../../errors.js'
import { PlaneUpstream, type PlaneUpstreamOptions } from './plane-upstream.js'
import type { Course, Next } from './reach.js'
import type { UpstreamSettings } from './settings.js'
import type { UpstreamBoard } from './upstream-board.js'

export class PlaneUpstreams {
  readonly #options: PlaneUpstreamOptions
  readonly #byName = new Map<string, PlaneUpstream>()

  constructor(options: PlaneUpstreamOptions) {
    this.#options = options
  }

  /** A new one, or other settings of one that is known. */
  set(settings: UpstreamSettings, board: UpstreamBoard): void {
    const known = this.#byName.get(settings.name)
    if (known === undefined)
      this.#byName.set(settings.name, new PlaneUpstream(settings, board, this.#options))
    else known.update(settings)
  }

  get(name: string): PlaneUpstream | undefined {
    return this.#byName.get(name)
  }

  course(name: string): Course {
    return this.#byName.get(name) ?? new NoCourse(name)
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

  /** All idle connections are closed, and no more are made. */
  close(): void {
    for (const upstream of this.#byName.values()) upstream.retire()
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
