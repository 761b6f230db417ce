/** The main thread's side of the writer thread: starts it, gives it orders, and notices when it ends. */

import { Worker } from 'node:worker_threads'
import { messageOf, TidegateError } from '../../errors.js'
import type { StoreHost } from '../../ports/store.js'
import { type PlainError, revivedError } from '../workers/plain-error.js'
import { type StoreStart, storePorts } from './open-store.js'
import type { WriterSeat } from './writer.js'

export interface WriterStart extends StoreStart {
  /** Shared; see `STORE_FIGURE`. */
  readonly figures: Float64Array
  /** Shared; see `WRITER_CELL`. */
  readonly state: Int32Array
}

export type WriterOrder =
  | { readonly kind: 'serve'; readonly owner: number; readonly seat: WriterSeat }
  | { readonly kind: 'leave'; readonly owner: number }
  | { readonly kind: 'close'; readonly timeoutMs: number }

export type WriterNews =
  | { readonly kind: 'ready' }
  /** It does not start. */
  | { readonly kind: 'failed'; readonly error: PlainError }
  /** All that this seat's plane had sent is done with. */
  | { readonly kind: 'left'; readonly owner: number }
  | StoreLine

/** What the store wants to have logged. */
export interface StoreLine {
  readonly kind: 'line'
  readonly level: Parameters<StoreHost['log']>[0]
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

export interface WriterEvents {
  readonly onLeft: (owner: number) => void
  /** It has ended without having been told to. Nothing is written any more. */
  readonly onDeath: (why: string) => void
  readonly onLine: (line: StoreLine) => void
}

export interface WriterLink {
  /** Resolves when the thread is gone: then nobody writes any more. */
  readonly ended: Promise<void>
  /** The seat's port is the thread's from then on; `owner` is its name. */
  serve(owner: number, seat: WriterSeat): void
  /** The seat's plane is gone. Answered by {@link WriterEvents.onLeft}. */
  leave(owner: number): void
  /**
   * Gives up what is not written yet, and ends the thread once the system has answered its last call and the store is done: it may
   * take `timeoutMs`.
   */
  close(timeoutMs: number): void
}

export type StartWriter = (data: WriterStart, events: WriterEvents) => Promise<WriterLink>

class ThreadLink implements WriterLink {
  readonly #worker: Worker
  readonly #events: WriterEvents
  readonly ended: Promise<void>
  #closing = false
  #why = 'it exited'

  constructor(worker: Worker, events: WriterEvents) {
    this.#worker = worker
    this.#events = events
    this.ended = new Promise((resolve) => worker.once('exit', () => resolve()))
    // It must not keep a process alive that has nothing else to do.
    worker.unref()
    worker.on('message', (news: WriterNews) => {
      if (news.kind === 'left') this.#events.onLeft(news.owner)
      if (news.kind === 'line') this.#events.onLine(news)
    })
    worker.on('error', (thrown) => {
      this.#why = messageOf(thrown)
    })
    void this.ended.then(() => {
      if (!this.#closing) this.#events.onDeath(this.#why)
    })
  }

  serve(owner: number, seat: WriterSeat): void {
    this.#order({ kind: 'serve', owner, seat }, seat)
  }

  leave(owner: number): void {
    this.#order({ kind: 'leave', owner })
  }

  close(timeoutMs: number): void {
    if (this.#closing) return
    this.#closing = true
    this.#worker.ref()
    this.#order({ kind: 'close', timeoutMs })
  }

  #order(order: WriterOrder, seat?: WriterSeat): void {
    this.#worker.postMessage(order, seat === undefined ? [] : [seat.slabs])
  }
}

/** Resolves when it runs. What the store has to say meanwhile is passed on. */
const ready = (worker: Worker, { onLine }: WriterEvents): Promise<void> =>
  new Promise((resolve, reject) => {
    const hear = (news: WriterNews): void => {
      if (news.kind === 'line') return onLine(news)
      worker.off('message', hear)
      if (news.kind === 'failed') reject(revivedError(news.error))
      else resolve()
    }
    worker.on('message', hear)
    worker.once('error', reject)
    worker.once('exit', (code) => reject(new Error(`it exited with ${code}`)))
  })

/** @throws TidegateError (rejects) `file_unwritable` when the system has no thread to spare; what the store cannot be opened for. */
export const startWriterThread: StartWriter = async (data, events) => {
  let worker: Worker | null = null
  try {
    worker = new Worker(new URL('./writer-thread.js', import.meta.url), {
      name: 'tidegate-writer',
      workerData: data,
      // What the main thread was started with (inspectors, loaders, profilers) is not for this one.
      execArgv: [],
      transferList: [...storePorts(data.store)],
    })
    await ready(worker, events)
    return new ThreadLink(worker, events)
  } catch (thrown) {
    // What it has begun must not keep the process alive.
    await worker?.terminate()
    if (thrown instanceof TidegateError) throw thrown
    const { where } = data
    const message = `'${where}' cannot be written: its thread does not start: ${messageOf(thrown)}`
    throw new TidegateError('file_unwritable', message, { fault: 'system', where, cause: thrown })
  }
}
