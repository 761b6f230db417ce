/**
 * One listener of a data plane: who comes in, who is turned away, who waits.
 *
 * - held: accepted although there was no place any more (another plane took the last one just before), unread, and let
 *   in before anybody else once there is one
 */

import { compileAccessRules } from '../core/route/cidr.js'
import { type Admission, type AdmissionRules, admit, pausesAt } from '../core/session/admission.js'
import type { Conn, Listening } from '../ports/engine.js'
import type { ListenerBooks } from './books.js'
import type { AdmissionSettings, ListenerSettings } from './plane.js'

const rulesOf = ({ access, maxConnections, overflow }: AdmissionSettings): AdmissionRules => ({
  allows: compileAccessRules(access),
  maxConnections,
  overflow,
})

/** Begins a connection that is admitted, and ends one that is not. */
type OnDecided = (listener: PlaneListener, client: Conn, admission: Admission) => void

/** A name for as long as the plane lives: its books go on when it is opened again. */
export class PlaneListener {
  readonly books: ListenerBooks
  readonly #onDecided: OnDecided
  readonly #held: Conn[] = []
  #settings: ListenerSettings
  #rules: AdmissionRules
  #listening: Listening | null = null
  #isPaused = false

  constructor(settings: ListenerSettings, books: ListenerBooks, onDecided: OnDecided) {
    this.#settings = settings
    this.#rules = rulesOf(settings.admission)
    this.books = books
    this.#onDecided = onDecided
  }

  get settings(): ListenerSettings {
    return this.#settings
  }

  /** For the connections to come; those already in keep what they began with. */
  update(settings: ListenerSettings): void {
    this.#settings = settings
    this.#rules = rulesOf(settings.admission)
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
    for (const client of this.#held.splice(0)) client.reset()
    this.books.mayAccept(0, false)
    await listening?.close()
  }

  accepted(client: Conn): void {
    const admission = this.#held.length > 0 ? 'wait' : admit(this.#rules, client.remote, this.books)
    if (admission === 'wait') this.#held.push(client)
    else this.#onDecided(this, client, admission)
    this.regulate()
  }

  /** Lets in who waits while there is room, and accepts more only then. */
  regulate(): void {
    const listening = this.#listening
    if (listening === null) return
    const pauseAt = pausesAt(this.#rules)
    if (pauseAt === 0 && !this.#isPaused && this.#held.length === 0) return
    let mayAccept: boolean
    do {
      this.#letIn()
      mayAccept = this.books.mayAccept(pauseAt, this.#held.length > 0)
    } while (mayAccept && this.#held.length > 0)
    this.#isPaused = !mayAccept
    if (mayAccept) listening.resume()
    else listening.pause()
  }

  #letIn(): void {
    for (let [client] = this.#held; client !== undefined; [client] = this.#held) {
      const admission = admit(this.#rules, client.remote, this.books)
      if (admission === 'wait') return
      this.#held.shift()
      this.#onDecided(this, client, admission)
    }
  }
}
