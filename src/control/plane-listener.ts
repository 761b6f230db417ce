/**
 * One listener of a data plane: who comes in, who is turned away, who waits.
 *
 * - address: who the client is; its connection's other end, unless a PROXY header says more
 * - held: accepted although there was no place any more (another plane took the last one just before), unread, and let
 *   in before anybody else once there is one
 */

import type { Address } from '../core/address.js'
import { compileAccessRules } from '../core/route/cidr.js'
import { type Admission, type AdmissionRules, admit, pausesAt } from '../core/session/admission.js'
import type { Conn, Listening } from '../ports/engine.js'
import type { ListenerBooks } from './books.js'
import type { AdmissionSettings, ListenerSettings, ProxySettings } from './plane.js'
import { type GateHost, ProxyGate } from './proxy-gate.js'
import type { SessionStart } from './session-runner.js'

const rulesOf = ({ access, maxConnections, overflow }: AdmissionSettings): AdmissionRules => ({
  allows: compileAccessRules(access),
  maxConnections,
  overflow,
})

/** Begins a connection that is admitted, and ends one that is not. */
type OnDecided = (
  listener: PlaneListener,
  client: Conn,
  address: Address,
  admission: Admission,
  start?: SessionStart,
) => void

interface Held {
  readonly client: Conn
  readonly address: Address
  /** Undefined: it begins when it is let in. */
  readonly start: SessionStart | undefined
}

/** A name for as long as the plane lives: its books go on when it is opened again. */
export class PlaneListener implements GateHost {
  readonly books: ListenerBooks
  readonly #onDecided: OnDecided
  readonly #held: Held[] = []
  #settings: ListenerSettings
  #rules: AdmissionRules
  /** Made when it is first needed; clients may wait in it after it is not any more. */
  #gate: ProxyGate | null = null
  #listening: Listening | null = null
  #isPaused = false

  constructor(settings: ListenerSettings, books: ListenerBooks, onDecided: OnDecided) {
    this.#settings = settings
    this.#rules = rulesOf(settings.admission)
    this.books = books
    this.#onDecided = onDecided
    this.#believe(settings.proxy)
  }

  get settings(): ListenerSettings {
    return this.#settings
  }

  /** For the connections to come; those already in keep what they began with. */
  update(settings: ListenerSettings): void {
    this.#settings = settings
    this.#rules = rulesOf(settings.admission)
    this.#believe(settings.proxy)
    this.regulate()
  }

  opened(listening: Listening): void {
    this.#listening = listening
    this.#isPaused = false
    this.regulate()
  }

  /** Whoever waits is reset, as the kernel does with a backlog. */
  async shut(): Promise<void> {
    const listening = this.#listening
    this.#listening = null
    this.#gate?.clear()
    for (const { client } of this.#held.splice(0)) client.reset()
    this.books.mayAccept(0, false)
    await listening?.close()
  }

  accepted(client: Conn): void {
    if (this.#gate === null || this.#settings.proxy === null) this.identified(client, client.remote)
    else {
      this.#gate.accepted(client)
      this.regulate()
    }
  }

  identified(client: Conn, address: Address, start?: SessionStart): void {
    const admission = this.#held.length > 0 ? 'wait' : admit(this.#rules, address, this.books)
    if (admission === 'wait') this.#held.push({ client, address, start })
    else this.#onDecided(this, client, address, admission, start)
    this.regulate()
  }

  /** It has not become known who is behind the peer. */
  refused(client: Conn, admission: Admission, start: SessionStart): void {
    this.#onDecided(this, client, client.remote, admission, start)
    this.regulate()
  }

  /** Lets in who waits while there is room, and accepts more only then. */
  regulate(): void {
    const listening = this.#listening
    if (listening === null) return
    const pauseAt = pausesAt(this.#rules)
    const isCrowded = this.#gate?.isFull === true
    if (pauseAt === 0 && !this.#isPaused && this.#held.length === 0 && !isCrowded) return
    let mayAccept: boolean
    do {
      this.#letIn()
      mayAccept = this.books.mayAccept(pauseAt, this.#held.length > 0)
    } while (mayAccept && this.#held.length > 0)
    this.#isPaused = !mayAccept || isCrowded
    if (this.#isPaused) listening.pause()
    else listening.resume()
  }

  #letIn(): void {
    for (let [held] = this.#held; held !== undefined; [held] = this.#held) {
      const { client, address, start } = held
      const admission = admit(this.#rules, address, this.books)
      if (admission === 'wait') return
      this.#held.shift()
      this.#onDecided(this, client, address, admission, start)
    }
  }

  #believe(proxy: ProxySettings | null): void {
    if (proxy === null) return
    if (this.#gate === null) this.#gate = new ProxyGate(proxy, this)
    else this.#gate.update(proxy)
  }
}
