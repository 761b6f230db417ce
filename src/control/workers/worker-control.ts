/** The control port of a worker: answers itself what was settled before, and asks the main thread the rest. */

import { IdMap } from '../../core/id-map.js'
import type { ConnectionIdentity, ConnectionRecord } from '../../core/session/record.js'
import type { ControlPort, LinkedConnection, LinkWatch, RouteDecision } from '../../ports/control.js'
import type { Link } from '../../ports/engine.js'
import { isTrouble } from '../connection-log.js'
import type { PlaneRecordings } from '../recording/plane-recordings.js'
import type { ConnectionTap } from '../recording/recording.js'
import { type Watchers, watchLink } from '../watch.js'
import { revivedError } from './plain-error.js'
import type { FromWorker, PlainDecision, RecordsWanted, WorkerListener } from './protocol.js'
import { RecordGatherer } from './record-batch.js'

/** Long enough to spare a busy worker a message per connection, too short for anybody to notice in a log. */
const BATCH_MS = 10

/** About 30 KiB; a flood of refused clients must not pile up within those milliseconds. */
const BATCH_RECORDS = 256

const NOBODY_WATCHES: LinkWatch = {}

/** Hooks run on the main thread alone. */
const NO_HOOKS: Watchers = { inspect: undefined, observers: [] }

type ServedListener = Pick<WorkerListener, 'serving' | 'capture' | 'group'>

export interface WorkerControlOptions {
  readonly recordings: PlaneRecordings
  readonly post: (message: FromWorker) => void
  readonly records: RecordsWanted
  readonly listenerNumbers: ReadonlyMap<string, number>
}

interface Asked {
  readonly resolve: (decision: RouteDecision) => void
  readonly reject: (error: Error) => void
}

export class WorkerControl implements ControlPort {
  readonly #post: (message: FromWorker) => void
  readonly #wanted: RecordsWanted
  readonly #gatherer: RecordGatherer
  readonly #recordings: PlaneRecordings
  readonly #listeners = new Map<string, ServedListener>()
  readonly #taps = new IdMap<ConnectionTap>()
  readonly #asked = new Map<number, Asked>()
  #timer: NodeJS.Timeout | null = null

  constructor({ recordings, post, records, listenerNumbers }: WorkerControlOptions) {
    this.#recordings = recordings
    this.#post = post
    this.#wanted = records
    this.#gatherer = new RecordGatherer(listenerNumbers)
  }

  enter(listener: string, served: ServedListener): void {
    this.#listeners.set(listener, served)
    this.#recordings.enter(listener, served.capture)
  }

  /** Whether the main thread serves this listener's clients. */
  leavesToMain(listener: string): boolean {
    return this.#listeners.get(listener)?.serving.by === 'main'
  }

  route(connection: ConnectionIdentity, unwanted: () => AbortSignal): RouteDecision | Promise<RouteDecision> {
    const serving = this.#listeners.get(connection.listener)?.serving
    if (serving?.by === 'worker') return { kind: 'upstream', upstream: serving.upstream }
    return new Promise((resolve, reject) => {
      this.#asked.set(connection.id, { resolve, reject })
      unwanted().addEventListener('abort', () => this.#takeBack(connection.id), { once: true })
      this.#post({ type: 'ask', connection })
    })
  }

  /** An answer of the main thread. */
  routed(id: number, decision: PlainDecision): void {
    const asked = this.#asked.get(id)
    this.#asked.delete(id)
    if (decision.kind === 'threw') asked?.reject(revivedError(decision.error))
    else if (decision.kind === 'failed') asked?.resolve({ ...decision, error: revivedError(decision.error) })
    else asked?.resolve(decision)
  }

  /** The connection has moved: whatever was asked for it is not for this thread any more. */
  forget(id: number): void {
    this.#asked.delete(id)
  }

  watch(connection: LinkedConnection, link: () => Link | null): LinkWatch {
    const { id, listener, client, server } = connection
    const group = this.#listeners.get(listener)?.group ?? null
    const tap = this.#recordings.open({ id, listener, client, server }, group, link)
    if (tap === null) return NOBODY_WATCHES
    this.#taps.set(id, tap)
    return watchLink(NO_HOOKS, tap, connection, link)
  }

  closed(record: ConnectionRecord): void {
    this.#taps.get(record.id)?.close(record.reason)
    this.#taps.delete(record.id)
    if (this.#wanted === 'trouble' && !isTrouble(record)) return
    this.#gatherer.add(record)
    if (this.#gatherer.size >= BATCH_RECORDS) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), BATCH_MS)
  }

  /** Sends the records that wait. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (this.#gatherer.size > 0) this.#post({ type: 'records', batch: this.#gatherer.take() })
  }

  #takeBack(id: number): void {
    if (this.#asked.delete(id)) this.#post({ type: 'unwanted', id })
  }
}
