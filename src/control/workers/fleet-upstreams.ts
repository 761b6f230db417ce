/** The upstreams of a fleet: tells all planes of them, and carries what one plane has to say to the others. */

import type { PlaneUpstreams } from '../upstreams/plane-upstreams.js'
import type { UpstreamSettings } from '../upstreams/settings.js'
import type { UpstreamBoard } from '../upstreams/upstream-board.js'
import { ServiceGate } from '../wake/service-gate.js'
import type { ServiceTurn } from '../wake/settings.js'
import type { ToWorker } from './protocol.js'

/** A worker, as far as upstreams go. */
interface Thread {
  readonly plane: number
  post(message: ToWorker): void
}

const MAIN = 0

export class FleetUpstreams {
  /** The main plane's part in them. */
  readonly #main: PlaneUpstreams
  readonly #threads: () => readonly Thread[]
  readonly #known = new Map<string, { settings: UpstreamSettings; readonly board: UpstreamBoard }>()

  constructor(main: PlaneUpstreams, threads: () => readonly Thread[]) {
    this.#main = main
    this.#threads = threads
  }

  set(settings: UpstreamSettings, board: UpstreamBoard): void {
    this.#known.set(settings.name, { settings, board })
    this.#main.set(settings, board)
    for (const thread of this.#threads()) thread.post({ type: 'upstream', settings, board: board.buffer })
  }

  /** To a worker that is new. */
  introduce(thread: Thread): void {
    for (const { settings, board } of this.#known.values())
      thread.post({ type: 'upstream', settings, board: board.buffer })
  }

  cut(upstream: string, slot: number, why: string): void {
    this.#main.get(upstream)?.cut(slot, why)
    for (const thread of this.#threads()) thread.post({ type: 'cut_member', upstream, slot, why })
  }

  serviceTurned(upstream: string, turn: ServiceTurn): void {
    this.#main.service(upstream)?.turned(turn)
    for (const thread of this.#threads()) thread.post({ type: 'service', upstream, turn })
  }

  /** Tells the planes whose clients wait for a connection that there may be room. */
  serve(upstream: string): void {
    const planes = this.#known.get(upstream)?.board.queue.clearRoom() ?? []
    if (planes.includes(MAIN)) this.#main.get(upstream)?.serve()
    for (const thread of this.#threads())
      if (planes.includes(thread.plane)) thread.post({ type: 'serve', upstream })
  }

  /** The other planes keep no idle connections while clients of `plane` wait. */
  yieldTo(plane: number, upstream: string): void {
    if (plane !== MAIN) this.#main.get(upstream)?.evictIdle(1)
    for (const thread of this.#threads()) if (thread.plane !== plane) thread.post({ type: 'yield', upstream })
  }

  /** `plane` has too few descriptors, and no idle connections left to close. */
  evictElsewhere(plane: number, count: number): void {
    if (plane !== MAIN) this.#main.evictIdle(count)
    for (const thread of this.#threads()) if (thread.plane !== plane) thread.post({ type: 'evict', count })
  }

  /** What a plane had that is no more is free again. */
  forget(plane: number): void {
    for (const [name, { settings, board }] of this.#known) {
      board.forget(plane)
      if (settings.wake !== null) new ServiceGate(board.planes, settings.wake.gate).forget(plane)
      this.serve(name)
    }
  }
}
