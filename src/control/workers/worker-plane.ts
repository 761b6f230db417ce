/** A worker's data plane: does what the main thread says, and leaves to it what only it can serve. */

import type { MessagePort } from 'node:worker_threads'
import type { ConnectionIdentity } from '../../core/session/record.js'
import type { Conn, ThreadedEngine } from '../../ports/engine.js'
import { DataPlane } from '../data-plane.js'
import { GroupSeat } from '../recording/groups/group-seat.js'
import { PlaneRecordings } from '../recording/plane-recordings.js'
import { startSeat } from '../recording/seat-recording.js'
import { justNow, type SessionStart } from '../session-runner.js'
import { PlaneUpstreams } from '../upstreams/plane-upstreams.js'
import { partOf } from '../upstreams/share.js'
import { UpstreamBoard } from '../upstreams/upstream-board.js'
import { ListenerBoard } from './listener-board.js'
import { LiveFeed } from './live-feed.js'
import { processNow } from './live-slots.js'
import { plainError } from './plain-error.js'
import type { Errand, FromWorker, ToWorker, WorkerListener, WorkerSeat } from './protocol.js'
import { SharedBooks } from './shared-books.js'
import { WorkerControl } from './worker-control.js'

export class WorkerPlane {
  readonly #seat: WorkerSeat
  readonly #port: MessagePort
  readonly #engine: ThreadedEngine
  readonly #recordings: PlaneRecordings
  readonly #books: SharedBooks
  readonly #control: WorkerControl
  readonly #upstreams: PlaneUpstreams
  readonly #plane: DataPlane
  readonly #listenerNumbers = new Map<string, number>()
  #errands: Promise<void> = Promise.resolve()

  constructor(seat: WorkerSeat, port: MessagePort, engine: ThreadedEngine) {
    this.#seat = seat
    this.#port = port
    this.#engine = engine
    const listenerNumbers = this.#listenerNumbers
    this.#recordings = new PlaneRecordings(
      seat.recording === null ? null : startSeat(seat.recording),
      seat.groups === null ? null : new GroupSeat(seat.groups),
    )
    this.#control = new WorkerControl({
      recordings: this.#recordings,
      post: this.#post,
      records: seat.records,
      listenerNumbers,
    })
    this.#books = new SharedBooks(seat.plane, seat.ids, (name) => this.#post({ type: 'room', name }))
    this.#upstreams = new PlaneUpstreams({
      engine,
      plane: seat.plane,
      share: (count) => partOf(count, seat.share),
      now: processNow,
      random: Math.random,
      news: {
        room: (upstream) => this.#post({ type: 'upstream_room', upstream }),
        wanted: (upstream) => this.#post({ type: 'wanted', upstream }),
        turned: (upstream, slot, turn) => this.#post({ type: 'turned', upstream, slot, turn }),
        wake: (upstream) => this.#post({ type: 'wake', upstream }),
        printed: (upstream, pid, line) => this.#post({ type: 'printed', upstream, pid, line }),
      },
    })
    this.#plane = new DataPlane({
      engine,
      upstreams: this.#upstreams,
      control: this.#control,
      books: this.#books,
      watcher: new LiveFeed((page) => this.#post({ type: 'page', page }), listenerNumbers),
      shortage: (missing) => this.#post({ type: 'short', missing }),
      leave: (client, identity, start) =>
        this.#control.leavesToMain(identity.listener) && this.#send(client, identity, start ?? justNow()),
    })
    port.on('message', (message: ToWorker) => this.#obey(message))
    this.#post({ type: 'ready' })
  }

  /** Sends what has been gathered: the thread ends. */
  flush(): void {
    this.#control.flush()
  }

  readonly #post = (message: FromWorker): void => this.#port.postMessage(message)

  #obey(message: ToWorker): void {
    switch (message.type) {
      case 'open':
      case 'update':
      case 'shut':
        this.#errands = this.#errands.then(() => this.#run(message))
        return
      case 'routed':
        return this.#control.routed(message.id, message.decision)
      case 'surrender':
        return this.#surrender(message.id)
      case 'upstream':
        return this.#upstreams.set(message.settings, new UpstreamBoard(this.#seat.planes, message.board))
      case 'serve':
        return this.#upstreams.get(message.upstream)?.serve()
      case 'yield':
        return void this.#upstreams.get(message.upstream)?.evictIdle(1)
      case 'budget':
        return this.#plane.setBudget(message.budget)
      case 'evict':
        return void this.#upstreams.evictIdle(message.count)
      case 'cut_member':
        return this.#plane.cutMember(message.upstream, message.slot, message.why)
      case 'service':
        return this.#plane.serviceTurned(message.upstream, message.turn)
      case 'regulate':
        return this.#plane.regulate(message.name)
      case 'kill':
        return void this.#plane.kill(message.id)
      case 'cut':
        return this.#plane.cutAll()
      case 'drain':
        void this.#plane.empty().then(() => this.#tellLast({ type: 'drained' }))
        return
      case 'stop':
        void this.#stop()
    }
  }

  async #run(errand: Errand): Promise<void> {
    try {
      if (errand.type === 'shut') await this.#plane.shut(errand.name)
      else {
        this.#know(errand.listener)
        const { settings } = errand.listener
        if (errand.type === 'update') await this.#plane.update(settings)
        else this.#plane.openWith(settings, (onAccept) => this.#engine.accept(errand.socket, onAccept))
      }
      this.#post({ type: 'done', error: null })
    } catch (thrown) {
      this.#post({ type: 'done', error: plainError(thrown) })
    }
  }

  #know({ settings: { name }, number, board, serving, capture, group }: WorkerListener): void {
    this.#listenerNumbers.set(name, number)
    this.#books.enter(name, new ListenerBoard(this.#seat.planes, board))
    this.#control.enter(name, { serving, capture, group })
  }

  #surrender(id: number): void {
    const isSent = this.#plane.moveOut(id, (client, { identity, start }) =>
      this.#send(client, identity, start) ? true : null,
    )
    if (isSent === true) this.#control.forget(id)
  }

  /** False when the client is not connected any more: then its session ends here. */
  #send(client: Conn, identity: ConnectionIdentity, { startedAt, acceptedAt }: SessionStart): boolean {
    const socket = this.#engine.release(client)
    if (socket === null) return false
    const accepted = processNow() - performance.now() + acceptedAt
    this.#post({ type: 'moved', connection: { ...identity, socket, startedAt, acceptedAt: accepted } })
    return true
  }

  #tellLast(message: FromWorker): void {
    this.#control.flush()
    this.#post(message)
  }

  async #stop(): Promise<void> {
    await this.#plane.close()
    await this.#recordings.close()
    this.#tellLast({ type: 'stopped' })
    this.#port.close()
  }
}
