/**
 * Where clients of a listener wait while their PROXY header is read: before anything else is decided of them, and so that
 * none is forgotten.
 *
 * - trusted: a peer that may say whose connection it brings
 */

import type { Address } from '../core/address.js'
import { compileAccessRules } from '../core/route/cidr.js'
import { type Admission, DENIED } from '../core/session/admission.js'
import { messageOf } from '../errors.js'
import type { Conn } from '../ports/engine.js'
import type { ProxySettings } from './plane.js'
import { type HeaderOutcome, readProxyHeader } from './proxy-header.js'
import { justNow, type SessionStart } from './session-runner.js'

/**
 * Proxies send their header at once, so that few wait at a time, whatever the load. At worst, each holds a descriptor and
 * the 4 KiB of the longest header: 4 MiB in all.
 */
export const MAX_PENDING_HEADERS = 1024

export interface GateHost {
  /** It is known who the client is; whether it may come in is not decided. */
  identified(client: Conn, address: Address, start: SessionStart): void
  refused(client: Conn, admission: Admission, start: SessionStart): void
  /** One waits less, and is not to be let in. */
  regulate(): void
}

export class ProxyGate {
  readonly #host: GateHost
  readonly #pending = new Set<Conn>()
  #settings: ProxySettings
  #isTrusted: (peer: Address) => boolean

  constructor(settings: ProxySettings, host: GateHost) {
    this.#host = host
    this.#settings = settings
    this.#isTrusted = compileAccessRules({ allow: settings.from, deny: [] })
  }

  /** So many wait that no more may come in. */
  get isFull(): boolean {
    return this.#pending.size >= MAX_PENDING_HEADERS
  }

  /** For the clients to come. */
  update(settings: ProxySettings): void {
    this.#settings = settings
    this.#isTrusted = compileAccessRules({ allow: settings.from, deny: [] })
  }

  accepted(client: Conn): void {
    const start = justNow()
    if (this.#isTrusted(client.remote)) void this.#read(client, start)
    else if (this.#settings.mode === 'require') this.#host.refused(client, DENIED, start)
    else this.#host.identified(client, client.remote, start)
  }

  /** Resets those that wait. */
  clear(): void {
    for (const client of this.#pending) client.reset()
    this.#pending.clear()
  }

  async #read(client: Conn, start: SessionStart): Promise<void> {
    this.#pending.add(client)
    try {
      const outcome = await readProxyHeader(client, this.#settings)
      if (this.#pending.delete(client)) this.#settle(client, outcome, start)
    } catch (thrown) {
      // A defect must cost no more than the client it met, as with whatever an engine calls.
      this.#pending.delete(client)
      client.reset()
      process.emitWarning(`a PROXY header could not be read: ${messageOf(thrown)}`, 'TidegateWarning')
      this.#host.regulate()
    }
  }

  #settle(client: Conn, outcome: HeaderOutcome, start: SessionStart): void {
    switch (outcome.kind) {
      case 'client':
        return this.#host.identified(client, outcome.address, start)
      case 'refused': {
        const { reason, error } = outcome
        return this.#host.refused(client, { admitted: false, reason, error }, start)
      }
      case 'gone':
        return this.#host.regulate()
    }
  }
}
