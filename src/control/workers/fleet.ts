/**
 * A plane made of many: workers that accept and serve, and one data plane on the main thread for the connections that only
 * it can serve. What happens in all of them is read from shared memory; they are told by messages (protocol.ts).
 */

import type { Address } from '../../core/address.js'
import type { ConnectionCounters, LiveConnection } from '../../core/session/record.js'
import { haltEnginesAtExit } from '../../engine/linux/halt.js'
import { closeDescriptorsOf } from '../../engine/linux/left-open.js'
import type { DescriptorBudget, SharedListener, ThreadedEngine } from '../../ports/engine.js'
import type { Logger } from '../../ports/logger.js'
import { DataPlane } from '../data-plane.js'
import type { ControlDesk } from '../desk.js'
import type { DescriptorLedger } from '../engine-choice.js'
import { CUT_TIMEOUT_MS, type ListenerSettings, type Plane, within } from '../plane.js'
import type { RecordingSite } from '../recording/site.js'
import { PlaneUpstreams } from '../upstreams/plane-upstreams.js'
import type { UpstreamNews, UpstreamSettings } from '../upstreams/settings.js'
import { ALL, NONE, partOf } from '../upstreams/share.js'
import type { UpstreamBoard } from '../upstreams/upstream-board.js'
import type { ServiceTurn } from '../wake/settings.js'
import { type FleetListener, FleetListeners } from './fleet-listeners.js'
import { FleetUpstreams } from './fleet-upstreams.js'
import { type KeeperListener, WorkerKeeper } from './keeper.js'
import { liveConnection, lostRecord, startFailed } from './live-records.js'
import { isLive, processNow, readLive } from './live-slots.js'
import type {
  MovedConnection,
  RecordsWanted,
  Serving,
  ToWorker,
  WorkerListener,
  WorkerSeat,
} from './protocol.js'
import { recordsOf } from './record-batch.js'
import { RouteDesk } from './route-desk.js'
import { newSharedIds, SharedBooks } from './shared-books.js'
import type { WorkerNews, WorkerThread } from './worker-thread.js'

const MAIN = 0

export interface FleetOptions {
  /** The main thread's, owner 0 in the ledger. */
  readonly engine: ThreadedEngine
  readonly ledger: DescriptorLedger
  readonly workers: number
  readonly desk: ControlDesk
  /** Null when nothing is recorded. */
  readonly site: RecordingSite | null
  /** Of the recording that resource groups get. */
  readonly groupSite: RecordingSite | null
  readonly logger: Logger
  /** A member of an upstream was found to be well or not, by its clients. */
  readonly onTurned: UpstreamNews['turned']
  /** Clients wait for the service of an upstream to start. */
  readonly onWake: UpstreamNews['wake']
  readonly onPrinted: UpstreamNews['printed']
}

export class WorkerFleet implements Plane, KeeperListener {
  readonly #engine: ThreadedEngine
  readonly #ledger: DescriptorLedger
  readonly #desk: ControlDesk
  readonly #routes: RouteDesk
  readonly #main: DataPlane
  readonly #books: SharedBooks
  readonly #keepers: readonly WorkerKeeper[]
  readonly #listeners: FleetListeners
  readonly #upstreams: FleetUpstreams
  readonly #onTurned: UpstreamNews['turned']
  readonly #onWake: UpstreamNews['wake']
  readonly #onPrinted: UpstreamNews['printed']
  #budget: DescriptorBudget | null = null
  /** Takes back what has to happen if the process ends while there are workers. */
  #atExit: (() => void) | null
  #isCutting = false

  constructor({
    engine,
    ledger,
    workers,
    desk,
    site,
    groupSite,
    logger,
    onTurned,
    onWake,
    onPrinted,
  }: FleetOptions) {
    this.#engine = engine
    this.#ledger = ledger
    this.#desk = desk
    const planes = workers + 1
    this.#listeners = new FleetListeners(planes)
    this.#atExit = haltEnginesAtExit(ledger)
    const ids = newSharedIds()
    const records: RecordsWanted = desk.wantsEveryRecord ? 'all' : 'trouble'
    this.#routes = new RouteDesk(desk)
    this.#books = new SharedBooks(MAIN, ids, (name) => this.#makeKnown(name))
    this.#onTurned = onTurned
    this.#onWake = onWake
    this.#onPrinted = onPrinted
    const upstreams = new PlaneUpstreams({
      engine,
      plane: MAIN,
      share: (count) => partOf(count, desk.servesHere ? ALL : NONE),
      now: processNow,
      random: Math.random,
      news: {
        room: (name) => this.#upstreams.serve(name),
        wanted: (name) => this.#upstreams.yieldTo(MAIN, name),
        turned: onTurned,
        wake: onWake,
        printed: onPrinted,
      },
    })
    this.#upstreams = new FleetUpstreams(upstreams, () => this.#threads())
    this.#main = new DataPlane({
      engine,
      control: this.#routes,
      books: this.#books,
      upstreams,
      shortage: (missing) => this.#upstreams.evictElsewhere(MAIN, missing),
    })
    this.#keepers = Array.from({ length: workers }, (_, index) => {
      const plane = index + 1
      const share = desk.servesHere ? NONE : { index, of: workers }
      const seat = { plane, planes, ids, ledger, records, share }
      const newSeat = (): WorkerSeat => ({
        ...seat,
        recording: site?.seat(plane) ?? null,
        groups: groupSite?.seat(plane) ?? null,
      })
      return new WorkerKeeper(plane, newSeat, this, logger)
    })
  }

  /** @throws TidegateError (rejects) `worker_failed`; no worker is left then. */
  async start(): Promise<void> {
    const starts = await Promise.allSettled(this.#keepers.map((keeper) => keeper.start()))
    const failed = starts.findIndex(({ status }) => status === 'rejected')
    const start = starts[failed]
    if (start?.status !== 'rejected') return
    await this.close()
    throw startFailed(failed + 1, start.reason)
  }

  async open(settings: ListenerSettings): Promise<Address> {
    const { name } = settings
    const socket = await this.#engine.bind(settings.spec)
    const listener = this.#listeners.named(name)
    this.#books.enter(name, listener.board)
    this.#main.know(settings)
    listener.open = { settings, socket }
    try {
      await this.#everyWorker((thread) => thread.run(this.#opening(listener, settings, socket)))
    } catch (thrown) {
      await this.shut(name)
      throw thrown
    }
    return socket.address
  }

  async update(settings: ListenerSettings): Promise<void> {
    const listener = this.#listeners.get(settings.name)
    if (listener?.open == null) return
    listener.open = { ...listener.open, settings }
    this.#main.know(settings)
    const errand = { type: 'update', listener: this.#workerListener(listener, settings) } as const
    await this.#everyWorker((thread) => thread.run(errand))
  }

  async shut(name: string): Promise<void> {
    const listener = this.#listeners.get(name)
    if (listener?.open == null) return
    const { socket } = listener.open
    listener.open = null
    this.#engine.unbind(socket)
    // The address is free when all of them have let go of the socket.
    await this.#everyWorker((thread) => thread.run({ type: 'shut', name }))
  }

  connections(): readonly LiveConnection[] {
    const now = processNow()
    const here = this.#main.connections()
    const there = this.#threads().flatMap((thread) =>
      readLive(thread.pages).map((slot) => liveConnection(slot, this.#listeners.nameOf(slot.listener), now)),
    )
    // One that has just come over may still be listed where it was.
    const ids = new Set(here.map(({ id }) => id))
    return [...here, ...there.filter(({ id }) => !ids.has(id))].sort((one, other) => one.id - other.id)
  }

  counters(): ReadonlyMap<string, ConnectionCounters> {
    return new Map(this.#listeners.all.map(({ name, board }) => [name, board.snapshot()]))
  }

  kill(id: number): boolean {
    if (this.#main.kill(id)) return true
    const thread = this.#threads().find(({ pages }) => isLive(pages, id))
    thread?.post({ type: 'kill', id })
    // It may be leaving that thread just now.
    const isComing = this.#routes.kill(id)
    return thread !== undefined || isComing
  }

  async drain(timeoutMs: number): Promise<void> {
    await Promise.all(this.#listeners.names.map((name) => this.shut(name)))
    if (timeoutMs > 0) await within(timeoutMs, this.#empty())
    this.cutAll()
    await within(CUT_TIMEOUT_MS, this.#empty())
  }

  cutAll(): void {
    this.#isCutting = true
    this.#tellAll({ type: 'cut' })
    this.#main.cutAll()
  }

  async close(): Promise<void> {
    await Promise.all(this.#keepers.map((keeper) => keeper.stop()))
    this.#atExit?.()
    this.#atExit = null
    await this.#main.close()
  }

  setUpstream(settings: UpstreamSettings, board: UpstreamBoard): void {
    this.#upstreams.set(settings, board)
  }

  setBudget(budget: DescriptorBudget): void {
    this.#budget = budget
    this.#main.setBudget(budget)
    this.#tellAll({ type: 'budget', budget })
  }

  cutMember(upstream: string, slot: number, why: string): void {
    this.#upstreams.cut(upstream, slot, why)
  }

  serveUpstream(upstream: string): void {
    this.#upstreams.serve(upstream)
  }

  serviceTurned(upstream: string, turn: ServiceTurn): void {
    this.#upstreams.serviceTurned(upstream, turn)
  }

  async started(thread: WorkerThread): Promise<void> {
    if (this.#budget !== null) thread.post({ type: 'budget', budget: this.#budget })
    this.#upstreams.introduce(thread)
    const open = this.#listeners.all.flatMap((listener) =>
      listener.open === null ? [] : [this.#opening(listener, listener.open.settings, listener.open.socket)],
    )
    await Promise.all(open.map((errand) => thread.run(errand)))
  }

  news(thread: WorkerThread, news: WorkerNews): void {
    switch (news.type) {
      case 'ask':
        return this.#routes.ask(thread, news.connection)
      case 'unwanted':
        return this.#routes.takeBack(news.id)
      case 'moved':
        return this.#receive(thread, news.connection)
      case 'room':
        return this.#makeKnown(news.name)
      case 'upstream_room':
        return this.#upstreams.serve(news.upstream)
      case 'wanted':
        return this.#upstreams.yieldTo(thread.plane, news.upstream)
      case 'wake':
        return this.#onWake(news.upstream)
      case 'printed':
        return this.#onPrinted(news.upstream, news.pid, news.line)
      case 'short':
        return this.#upstreams.evictElsewhere(thread.plane, news.missing)
      case 'turned':
        return this.#onTurned(news.upstream, news.slot, news.turn)
      case 'records':
        for (const record of recordsOf(news.batch, this.#listeners.names)) this.#desk.closed(record)
    }
  }

  ended(thread: WorkerThread, error: Error): void {
    closeDescriptorsOf(this.#ledger, thread.plane)
    this.#routes.lost(thread)
    for (const slot of readLive(thread.pages)) {
      const name = this.#listeners.nameOf(slot.listener)
      const record = lostRecord(slot, name, processNow(), error)
      this.#listeners.get(name)?.board.countClosed(MAIN, record.reason, record.bytes)
      this.#desk.closed(record)
    }
    for (const { name, board } of this.#listeners.all) {
      board.forget(thread.plane)
      this.#makeKnown(name)
    }
    this.#upstreams.forget(thread.plane)
  }

  /** A connection that came over is this thread's from now on, and so is its place. */
  #receive(thread: WorkerThread, connection: MovedConnection): void {
    const { id, listener, client, socket, startedAt, acceptedAt } = connection
    this.#listeners.get(listener)?.board.move(thread.plane, MAIN)
    const isKilled = this.#routes.isKilled(id)
    const start = { startedAt, acceptedAt: acceptedAt - processNow() + performance.now() }
    this.#main.moveIn(this.#engine.receive(socket), { id, listener, client }, start)
    if (isKilled) this.#main.kill(id)
    if (this.#isCutting) this.#main.cutAll()
  }

  /** Tells the workers that do not accept that there may be room. */
  #makeKnown(name: string): void {
    const planes = this.#listeners.get(name)?.board.clearRoom() ?? []
    for (const thread of this.#threads())
      if (planes.includes(thread.plane)) thread.post({ type: 'regulate', name })
  }

  async #empty(): Promise<void> {
    // First the workers: what they have may come over.
    await this.#everyWorker((thread) => thread.drained())
    await this.#main.empty()
  }

  #opening(listener: FleetListener, settings: ListenerSettings, socket: SharedListener) {
    return { type: 'open', listener: this.#workerListener(listener, settings), socket } as const
  }

  #workerListener({ number, board }: FleetListener, settings: ListenerSettings): WorkerListener {
    const { name } = settings
    const capture = this.#desk.captureOf(name)
    const group = this.#desk.groupOf(name)
    return { settings, number, board: board.buffer, serving: this.#servingOf(name), capture, group }
  }

  #servingOf(name: string): Serving {
    if (this.#desk.servesHere) return { by: 'main' }
    const route = this.#desk.fixedRoute(name)
    return route?.kind === 'upstream' ? { by: 'worker', upstream: route.upstream } : { by: 'answer' }
  }

  #threads(): readonly WorkerThread[] {
    return this.#keepers.flatMap(({ thread }) => (thread === null ? [] : [thread]))
  }

  async #everyWorker(work: (thread: WorkerThread) => Promise<void>): Promise<void> {
    await Promise.all(this.#threads().map(work))
  }

  #tellAll(message: ToWorker): void {
    for (const thread of this.#threads()) thread.post(message)
  }
}
