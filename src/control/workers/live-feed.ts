/** Keeps a plane's live connections written down in shared memory: each step at once, the bytes now and then. */

import type { Address } from '../../core/address.js'
import type { FailureCode } from '../../core/health/failure-code.js'
import { IdMap } from '../../core/id-map.js'
import type { SessionStateName } from '../../core/session/machine.js'
import type { PlaneWatcher } from '../data-plane.js'
import type { SessionRunner } from '../session-runner.js'
import { LiveTable, processNow } from './live-slots.js'
import type { Words } from './shared-words.js'

/** How old the figures of a live connection may be: fresh for whoever watches, and no work per byte. */
const REFRESH_MS = 100

interface Entry {
  readonly session: SessionRunner
  readonly slot: number
  state: SessionStateName
  upstream: Address | null
  bytes: number
  attempts: number
  lastFailure: FailureCode | null
}

export class LiveFeed implements PlaneWatcher {
  readonly #table: LiveTable
  readonly #listenerNumbers: ReadonlyMap<string, number>
  readonly #entries = new IdMap<Entry>()
  #timer: NodeJS.Timeout | null = null

  /** `announce` is called with each new page before anything is in it. */
  constructor(announce: (page: Words) => void, listenerNumbers: ReadonlyMap<string, number>) {
    this.#table = new LiveTable(announce)
    this.#listenerNumbers = listenerNumbers
  }

  began(session: SessionRunner): void {
    const { identity, start, stateName: state, upstream } = session
    const slot = this.#table.add({
      id: identity.id,
      listener: this.#listenerNumbers.get(identity.listener) ?? 0,
      client: identity.client,
      state,
      upstream,
      startedAt: start.startedAt,
      acceptedAt: processNow() - performance.now() + start.acceptedAt,
    })
    this.#entries.set(identity.id, {
      session,
      slot,
      state,
      upstream,
      bytes: 0,
      attempts: 0,
      lastFailure: null,
    })
    this.#timer ??= setInterval(() => this.#refresh(), REFRESH_MS).unref()
  }

  stepped(session: SessionRunner): void {
    const entry = this.#entries.get(session.identity.id)
    if (entry === undefined) return
    const { stateName: state, upstream, attempts, lastFailure } = session
    if (entry.attempts !== attempts || entry.lastFailure !== lastFailure) {
      entry.attempts = attempts
      entry.lastFailure = lastFailure
      this.#table.dials(entry.slot, attempts, lastFailure)
    }
    if (entry.upstream !== upstream) {
      entry.upstream = upstream
      this.#table.upstream(entry.slot, upstream)
    }
    if (entry.state !== state) {
      entry.state = state
      this.#table.state(entry.slot, state)
    }
  }

  gone(session: SessionRunner): void {
    const { id } = session.identity
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    this.#entries.delete(id)
    this.#table.remove(entry.slot)
    if (this.#entries.size > 0 || this.#timer === null) return
    clearInterval(this.#timer)
    this.#timer = null
  }

  #refresh(): void {
    for (const entry of this.#entries.values()) {
      const { upstream, downstream } = entry.session.totals
      if (upstream + downstream === entry.bytes) continue
      entry.bytes = upstream + downstream
      this.#table.bytes(entry.slot, upstream, downstream)
    }
  }
}
