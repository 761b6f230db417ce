/** The main thread's side of one worker, from its start to its end. */

import { Worker } from 'node:worker_threads'
import { haltEngine } from '../../engine/linux/halt.js'
import { messageOf } from '../../errors.js'
import type { DescriptorLedger } from '../engine-choice.js'
import { within } from '../plane.js'
import { DEFAULT_CLOSE_TIMEOUT_MS } from '../recording/recording.js'
import { type RecordingSeat, seatPorts } from '../recording/seat.js'
import { revivedError } from './plain-error.js'
import type { Errand, FromWorker, ToWorker, WorkerSeat } from './protocol.js'
import type { Words } from './shared-words.js'

/** It takes about 50 ms; so long only on a machine that does not get anywhere. */
const START_TIMEOUT_MS = 20_000

/** Its engine closes in a turn or two; what it has recorded may wait for a slow disk. */
const STOP_TIMEOUT_MS = 2_000
const STOP_RECORDING_TIMEOUT_MS = DEFAULT_CLOSE_TIMEOUT_MS + STOP_TIMEOUT_MS

const recordingSeats = ({ recording, groups }: WorkerSeat): readonly RecordingSeat[] =>
  [recording, groups].filter((seat) => seat !== null)

const startWorker = (seat: WorkerSeat): Worker => {
  const ports = recordingSeats(seat).flatMap(seatPorts)
  try {
    return new Worker(new URL('./worker.js', import.meta.url), {
      workerData: seat,
      transferList: [...ports],
      name: `tidegate worker ${seat.plane}`,
      // What the main thread was started with (loaders, profilers, --input-type, which no file may have) is not for this one.
      execArgv: [],
    })
  } catch (thrown) {
    // The recording waits for whoever has a seat.
    for (const port of ports) port.close()
    throw thrown
  }
}

/** What a worker says that is not an answer. */
export type WorkerNews = Exclude<
  FromWorker,
  { readonly type: 'ready' | 'done' | 'drained' | 'stopped' | 'page' }
>

export interface WorkerListener {
  news(thread: WorkerThread, news: WorkerNews): void
  /** Called once, after the last of its messages; null: it ended by itself, as it was told to. */
  ended(thread: WorkerThread, error: Error | null): void
}

/** A promise, to be settled by others. */
interface Deferred {
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

const deferred = (): Deferred => {
  let [resolve, reject] = [(): void => {}, (_error: Error): void => {}]
  const promise = new Promise<void>((onResolve, onReject) => {
    ;[resolve, reject] = [onResolve, onReject]
  })
  return { promise, resolve, reject }
}

interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

type State = 'starting' | 'ready' | 'stopping' | 'ended'

export class WorkerThread {
  readonly plane: number
  /** Of its live connections. */
  readonly pages: Words[] = []
  readonly #worker: Worker
  readonly #ledger: DescriptorLedger
  readonly #stopTimeoutMs: number
  readonly #listener: WorkerListener
  readonly #starting = deferred()
  readonly #ended = deferred()
  readonly #startTimer: NodeJS.Timeout
  #errands: Waiting[] = []
  #draining: (() => void)[] = []
  #state: State = 'starting'
  #error: Error | null = null

  /** @throws Error when the system has no thread to spare. */
  constructor(plane: number, newSeat: () => WorkerSeat, listener: WorkerListener) {
    this.plane = plane
    this.#listener = listener
    const seat = newSeat()
    this.#ledger = seat.ledger
    this.#stopTimeoutMs = recordingSeats(seat).length === 0 ? STOP_TIMEOUT_MS : STOP_RECORDING_TIMEOUT_MS
    this.#worker = startWorker(seat)
    this.#worker.on('message', (message: FromWorker) => this.#hear(message))
    this.#worker.on('error', (error) => {
      this.#error ??= error
    })
    this.#worker.on('exit', (code) => this.#exited(code))
    this.#startTimer = setTimeout(
      () => this.fail(new Error(`no answer within ${START_TIMEOUT_MS} ms`)),
      START_TIMEOUT_MS,
    )
    // Not everybody waits for the start.
    this.#starting.promise.catch(() => {})
  }

  /** Resolves when it is ready; rejects when it ended before. */
  get started(): Promise<void> {
    return this.#starting.promise
  }

  get isReady(): boolean {
    return this.#state === 'ready'
  }

  post(message: ToWorker): void {
    if (this.#state !== 'ended') this.#worker.postMessage(message)
  }

  /** Resolves when it is done, or the worker is no more. @throws (rejects) what failed. */
  run(errand: Errand): Promise<void> {
    if (this.#state !== 'ready') return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#errands.push({ resolve, reject })
      this.post(errand)
    })
  }

  /** Resolves when no connection is open there, or the worker is no more. */
  drained(): Promise<void> {
    if (this.#state !== 'ready') return Promise.resolve()
    return new Promise((resolve) => {
      this.#draining.push(resolve)
      this.post({ type: 'drain' })
    })
  }

  /** Ends it at once, as if it had died of `why`. */
  fail(why: unknown): void {
    this.#error ??= why instanceof Error ? why : new Error(messageOf(why))
    void this.#terminate()
  }

  /** Ends it; at once if it does not by itself in time. Resolves when it has. Idempotent. */
  async stop(): Promise<void> {
    // Terminated while it loads its modules, it would leave their files open.
    if (this.#state === 'starting')
      await within(
        this.#stopTimeoutMs,
        this.#starting.promise.catch(() => {}),
      )
    const canObey = this.#state === 'ready'
    if (this.#state !== 'ended') this.#state = 'stopping'
    clearTimeout(this.#startTimer)
    if (canObey) {
      this.post({ type: 'stop' })
      await within(this.#stopTimeoutMs, this.#ended.promise)
    }
    await this.#terminate()
  }

  #hear(message: FromWorker): void {
    switch (message.type) {
      case 'ready':
        clearTimeout(this.#startTimer)
        if (this.#state === 'starting') this.#state = 'ready'
        return this.#starting.resolve()
      case 'done': {
        const errand = this.#errands.shift()
        if (message.error === null) errand?.resolve()
        else errand?.reject(revivedError(message.error))
        return
      }
      case 'drained':
        return this.#draining.shift()?.()
      case 'stopped':
        return
      case 'page':
        return void this.pages.push(message.page)
      default:
        return this.#listener.news(this, message)
    }
  }

  async #terminate(): Promise<void> {
    if (this.#state === 'ended') return
    // Its engine first: a thread that is stopped within a callback of that would take the process along.
    haltEngine(this.#ledger, this.plane)
    await this.#worker.terminate()
    await this.#ended.promise
  }

  #exited(code: number): void {
    const wasStopping = this.#state === 'stopping'
    const error = wasStopping ? this.#error : (this.#error ?? new Error(`it exited with code ${code}`))
    this.#state = 'ended'
    clearTimeout(this.#startTimer)
    this.#starting.reject(error ?? new Error('it was stopped'))
    for (const { resolve } of this.#errands) resolve()
    for (const resolve of this.#draining) resolve()
    this.#errands = []
    this.#draining = []
    this.#listener.ended(this, error)
    this.#ended.resolve()
  }
}
