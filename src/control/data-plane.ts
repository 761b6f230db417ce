/**
 * A data plane: one engine, the listeners it accepts on, and the sessions that live on it.
 *
 * A listener's settings can be replaced while it runs: connections already accepted keep those they began with.
 */

import type { Address } from '../core/address.js'
import { type AdmissionRules, admit, shouldPause } from '../core/session/admission.js'
import { SessionCounters } from '../core/session/counters.js'
import type { ConnectionCounters, ConnectionRecord, LiveConnection } from '../core/session/record.js'
import type { ControlPort } from '../ports/control.js'
import type { Conn, DialOptions, Engine, LinkOptions, Listening, ListenSpec } from '../ports/engine.js'
import { SessionRunner } from './session-runner.js'

export interface ListenerSettings {
  readonly name: string
  readonly spec: ListenSpec
  readonly admission: AdmissionRules
  readonly dial: DialOptions
  readonly link: LinkOptions
}

/** A name for as long as the process lives, so that a reloaded listener goes on counting. */
class Listener {
  settings: ListenerSettings
  listening: Listening | null = null
  readonly counters = new SessionCounters()

  constructor(settings: ListenerSettings) {
    this.settings = settings
  }

  /** Accepts only while there is room. */
  regulate(): void {
    if (shouldPause(this.settings.admission, this.counters.active)) this.listening?.pause()
    else this.listening?.resume()
  }
}

export class DataPlane {
  readonly #engine: Engine
  readonly #control: ControlPort
  readonly #listeners = new Map<string, Listener>()
  readonly #sessions = new Map<number, SessionRunner>()
  readonly #whenEmpty = new Set<() => void>()
  #lastId = 0

  constructor(engine: Engine, control: ControlPort) {
    this.#engine = engine
    this.#control = control
  }

  /** Starts accepting. @throws TidegateError (rejects) as `Engine.listen`. */
  async open(settings: ListenerSettings): Promise<Address> {
    const listener = this.#listeners.get(settings.name) ?? new Listener(settings)
    listener.settings = settings
    listener.listening = await this.#engine.listen(settings.spec, (client) => this.#accept(listener, client))
    this.#listeners.set(settings.name, listener)
    listener.regulate()
    return listener.listening.address
  }

  /** New settings for the connections to come; the socket stays as it is. */
  update(settings: ListenerSettings): void {
    const listener = this.#listeners.get(settings.name)
    if (listener === undefined) return
    listener.settings = settings
    listener.regulate()
  }

  /** Stops accepting on one listener; its connections live on. */
  async shut(name: string): Promise<void> {
    const listener = this.#listeners.get(name)
    const listening = listener?.listening
    if (listener !== undefined) listener.listening = null
    await listening?.close()
  }

  connections(): readonly LiveConnection[] {
    return Array.from(this.#sessions.values(), (session) => session.live())
  }

  counters(): ReadonlyMap<string, ConnectionCounters> {
    return new Map(Array.from(this.#listeners, ([name, { counters }]) => [name, counters.snapshot()]))
  }

  /** False when there is no such connection. */
  kill(id: number): boolean {
    const session = this.#sessions.get(id)
    session?.cut('killed')
    return session !== undefined
  }

  /** Stops accepting, waits up to `timeoutMs` for the connections to end by themselves, then cuts them. */
  async drain(timeoutMs: number): Promise<void> {
    await Promise.all(Array.from(this.#listeners.keys(), (name) => this.shut(name)))
    if (this.#sessions.size > 0 && timeoutMs > 0) await this.#emptyWithin(timeoutMs)
    this.cutAll()
    if (this.#sessions.size > 0) await this.#emptyWithin(CUT_TIMEOUT_MS)
  }

  /** Ends every connection now, with reason `drained`. */
  cutAll(): void {
    for (const session of [...this.#sessions.values()]) session.cut('drained')
  }

  #emptyWithin(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        this.#whenEmpty.delete(done)
        resolve()
      }
      const timer = setTimeout(done, timeoutMs)
      this.#whenEmpty.add(done)
    })
  }

  #accept(listener: Listener, client: Conn): void {
    const { settings, counters } = listener
    const admission = admit(settings.admission, client.remote, counters.active)
    const identity = { id: ++this.#lastId, listener: settings.name, client: client.remote }
    const runner = new SessionRunner(identity, client, {
      engine: this.#engine,
      control: this.#control,
      dial: settings.dial,
      link: settings.link,
      onFinished: (record) => this.#finished(listener, record),
    })
    counters.opened()
    this.#sessions.set(identity.id, runner)
    listener.regulate()
    runner.start(admission)
  }

  #finished(listener: Listener, record: ConnectionRecord): void {
    this.#sessions.delete(record.id)
    listener.counters.closed(record.reason, record.bytes)
    listener.regulate()
    this.#control.closed(record)
    if (this.#sessions.size > 0) return
    for (const done of [...this.#whenEmpty]) done()
  }
}

/** Links report their end in the same turn or the next; this only bounds a defect. */
const CUT_TIMEOUT_MS = 1_000
