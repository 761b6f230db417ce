import type { CloseReason } from '../close-reason.js'
import type { PerDirection } from '../direction.js'
import type { ConnectionCounters } from './record.js'

/** Counts what happens on one listener. */
export class SessionCounters {
  #accepted = 0
  #active = 0
  #upstream = 0
  #downstream = 0
  readonly #closed: Partial<Record<CloseReason, number>> = {}

  /** Connections open now. */
  get active(): number {
    return this.#active
  }

  opened(): void {
    this.#accepted++
    this.#active++
  }

  closed(reason: CloseReason, bytes: PerDirection<number>): void {
    this.#active--
    this.#closed[reason] = (this.#closed[reason] ?? 0) + 1
    this.#upstream += bytes.upstream
    this.#downstream += bytes.downstream
  }

  snapshot(): ConnectionCounters {
    return {
      accepted: this.#accepted,
      active: this.#active,
      closed: { ...this.#closed },
      bytes: { upstream: this.#upstream, downstream: this.#downstream },
    }
  }
}
