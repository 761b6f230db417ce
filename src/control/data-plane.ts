/**
 * A data plane: one engine, the listeners it accepts on, and the sessions that live on it.
 *
 * A listener's settings can be replaced while it runs: connections already accepted keep those they began with.
 */

import type { Address } from '../core/address.js'
import { IdMap } from '../core/id-map.js'
import type { Admission } from '../core/session/admission.js'
import type {
  ConnectionCounters,
  ConnectionIdentity,
  ConnectionRecord,
  LiveConnection,
} from '../core/session/record.js'
import type { ControlPort } from '../ports/control.js'
import type { Conn, DescriptorBudget, Engine, Listening } from '../ports/engine.js'
import { OwnBooks, type PlaneBooks } from './books.js'
import { CUT_TIMEOUT_MS, type ListenerSettings, type Plane, within } from './plane.js'
import { PlaneListener } from './plane-listener.js'
import { SessionRunner, type SessionStart } from './session-runner.js'
import { Shortage } from './shortage.js'
import type { PlaneUpstreams } from './upstreams/plane-upstreams.js'
import type { UpstreamSettings } from './upstreams/settings.js'
import type { UpstreamBoard } from './upstreams/upstream-board.js'
import type { ServiceTurn } from './wake/settings.js'

/** Who is told of the sessions of a plane among others. */
export interface PlaneWatcher {
  began(session: SessionRunner): void
  stepped(session: SessionRunner): void
  /** It has ended, or moved to another plane. */
  gone(session: SessionRunner): void
}

type Leave = (client: Conn, identity: ConnectionIdentity, start: SessionStart | undefined) => boolean

export interface PlaneSurroundings {
  readonly engine: Engine
  readonly control: ControlPort
  /** Default: its own. */
  readonly books?: PlaneBooks
  readonly watcher?: PlaneWatcher
  readonly upstreams: PlaneUpstreams
  /** Whether a client that was just admitted goes on at another plane; that plane has taken it then. */
  readonly leave?: Leave
  /** Descriptors are short, and so many idle connections are to be closed elsewhere. Default: there are no others. */
  readonly shortage?: (missing: number) => void
}

export class DataPlane implements Plane {
  readonly #engine: Engine
  readonly #control: ControlPort
  readonly #books: PlaneBooks
  readonly #upstreams: PlaneUpstreams
  readonly #watcher: PlaneWatcher | undefined
  readonly #leave: Leave | undefined
  readonly #onStep: ((session: SessionRunner) => void) | undefined
  readonly #listeners = new Map<string, PlaneListener>()
  readonly #sessions = new IdMap<SessionRunner>()
  #whenEmpty: (() => void)[] = []

  constructor({
    engine,
    control,
    books = new OwnBooks(),
    watcher,
    upstreams,
    leave,
    shortage = () => {},
  }: PlaneSurroundings) {
    this.#engine = engine
    this.#control = control
    this.#books = books
    this.#upstreams = upstreams
    this.#watcher = watcher
    this.#leave = leave
    const short = new Shortage({
      evictIdle: (count) => upstreams.evictIdle(count),
      idleElsewhere: () => upstreams.idleElsewhere,
      ask: shortage,
      now: () => performance.now(),
    })
    engine.onShortage(() => short.met())
    this.#onStep = watcher === undefined ? undefined : (session) => watcher.stepped(session)
  }

  /** It needs nothing but its engine. */
  start(): Promise<void> {
    return Promise.resolve()
  }

  async open(settings: ListenerSettings): Promise<Address> {
    const listener = this.know(settings)
    const onAccept = (client: Conn): void => listener.accepted(client)
    const listening = await this.#engine.listen(settings.spec, onAccept)
    listener.opened(listening)
    return listening.address
  }

  /** As `open`, with a socket that accepts already or is about to. */
  openWith(settings: ListenerSettings, accept: (onAccept: (client: Conn) => void) => Listening): void {
    const listener = this.know(settings)
    listener.opened(accept((client) => listener.accepted(client)))
  }

  async update(settings: ListenerSettings): Promise<void> {
    this.know(settings)
  }

  /** The settings of a listener, whether it accepts here or not. */
  know(settings: ListenerSettings): PlaneListener {
    const known = this.#listeners.get(settings.name)
    known?.update(settings)
    if (known !== undefined) return known
    const listener = new PlaneListener(settings, this.#books.listener(settings.name), this.#onDecided)
    this.#listeners.set(settings.name, listener)
    return listener
  }

  async shut(name: string): Promise<void> {
    await this.#listeners.get(name)?.shut()
  }

  connections(): readonly LiveConnection[] {
    const live = this.#sessions.values().map((session) => session.live())
    return live.sort((one, other) => one.id - other.id)
  }

  counters(): ReadonlyMap<string, ConnectionCounters> {
    return new Map(Array.from(this.#listeners, ([name, { books }]) => [name, books.snapshot()]))
  }

  /** Asks the listeners again whether they may accept: elsewhere a place became free. */
  regulate(name: string): void {
    this.#listeners.get(name)?.regulate()
  }

  kill(id: number): boolean {
    const session = this.#sessions.get(id)
    session?.cut('killed')
    return session !== undefined
  }

  async drain(timeoutMs: number): Promise<void> {
    await Promise.all(Array.from(this.#listeners.keys(), (name) => this.shut(name)))
    if (timeoutMs > 0) await within(timeoutMs, this.empty())
    this.cutAll()
    await within(CUT_TIMEOUT_MS, this.empty())
  }

  cutAll(): void {
    for (const session of this.#sessions.values()) session.cut('drained')
  }

  async close(): Promise<void> {
    this.#engine.onShortage(null)
    await this.#upstreams.close()
    await this.#engine.close()
  }

  setUpstream(settings: UpstreamSettings, board: UpstreamBoard): void {
    this.#upstreams.set(settings, board)
  }

  cutMember(upstream: string, slot: number, why: string): void {
    this.#upstreams.get(upstream)?.cut(slot, why)
  }

  serveUpstream(upstream: string): void {
    this.#upstreams.get(upstream)?.serve()
  }

  serviceTurned(upstream: string, turn: ServiceTurn): void {
    this.#upstreams.service(upstream)?.turned(turn)
  }

  setBudget(budget: DescriptorBudget): void {
    this.#engine.budget(budget)
  }

  /** Resolves when no connection is open. */
  empty(): Promise<void> {
    return this.#sessions.size === 0
      ? Promise.resolve()
      : new Promise((resolve) => void this.#whenEmpty.push(resolve))
  }

  /** Goes on with a client that another plane has admitted and counted. */
  moveIn(client: Conn, identity: ConnectionIdentity, start: SessionStart): void {
    const listener = this.#listeners.get(identity.listener)
    if (listener === undefined) return client.reset()
    this.#begin(listener, client, identity, { admitted: true }, start)
  }

  /** Leaves a session that waits for its route to another plane. `take` gets the client, or says null if it cannot go. */
  moveOut<T>(id: number, take: (client: Conn, session: SessionRunner) => T | null): T | null {
    const session = this.#sessions.get(id)
    if (session === undefined) return null
    const taken = session.moveOut((client) => take(client, session))
    if (taken === null) return null
    this.#gone(session)
    this.#tellEmpty()
    return taken
  }

  readonly #onDecided = (
    listener: PlaneListener,
    client: Conn,
    address: Address,
    admission: Admission,
    start?: SessionStart,
  ): void => {
    const identity = { id: this.#books.nextId(), listener: listener.settings.name, client: address }
    listener.books.opened()
    if (admission.admitted && this.#leave?.(client, identity, start) === true) return
    this.#begin(listener, client, identity, admission, start)
  }

  #begin(
    listener: PlaneListener,
    client: Conn,
    identity: ConnectionIdentity,
    admission: Admission,
    start?: SessionStart,
  ): void {
    const { dial, link } = listener.settings
    const session = new SessionRunner(
      identity,
      client,
      {
        engine: this.#engine,
        control: this.#control,
        upstreams: this.#upstreams,
        dial,
        link,
        onStep: this.#onStep,
        onFinished: (record) => this.#finished(listener, session, record, admission.admitted),
      },
      start,
    )
    this.#sessions.set(identity.id, session)
    this.#watcher?.began(session)
    session.begin(admission)
  }

  #finished(
    listener: PlaneListener,
    session: SessionRunner,
    record: ConnectionRecord,
    hasPlace: boolean,
  ): void {
    listener.books.closed(record.reason, record.bytes)
    if (hasPlace) listener.books.leave()
    this.#gone(session)
    listener.regulate()
    this.#control.closed(record)
    this.#tellEmpty()
  }

  #gone(session: SessionRunner): void {
    this.#sessions.delete(session.identity.id)
    this.#watcher?.gone(session)
  }

  #tellEmpty(): void {
    if (this.#sessions.size > 0 || this.#whenEmpty.length === 0) return
    const waiting = this.#whenEmpty
    this.#whenEmpty = []
    for (const done of waiting) done()
  }
}
