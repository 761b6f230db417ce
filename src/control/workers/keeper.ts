/**
 * Keeps one worker running: another one takes the place of one that died.
 *
 * - steady: a worker that has served for a while; its death is one thing that went wrong, and is mended at once
 * - episode: deaths that follow on one another more quickly. The first is told, and that it goes on; the rest is tried again
 *   after longer and longer waits until one is steady
 */

import { messageOf } from '../../errors.js'
import type { Logger } from '../../ports/logger.js'
import type { WorkerSeat } from './protocol.js'
import { type WorkerListener, type WorkerNews, WorkerThread } from './worker-thread.js'

const STEADY_AFTER_MS = 1_000

/** The second death in a row waits this long, each further one twice as long as the one before. */
const FIRST_DELAY_MS = 25
/** A start costs some 50 ms of CPU: little, once a second. */
const MAX_DELAY_MS = 1_000
/** Deaths in a row from which on they are told as an episode. */
const TOLD_ONE_BY_ONE = 3

export interface KeeperListener {
  /** The worker is there, and knows nothing yet. */
  started(thread: WorkerThread): Promise<void>
  news(thread: WorkerThread, news: WorkerNews): void
  /** It is no more, for whatever reason; called before another one takes its place. */
  ended(thread: WorkerThread, error: Error): void
}

export class WorkerKeeper implements WorkerListener {
  readonly #plane: number
  readonly #newSeat: () => WorkerSeat
  readonly #listener: KeeperListener
  readonly #logger: Logger
  #thread: WorkerThread | null = null
  #readyAt: number | null = null
  #deaths = 0
  #timer: NodeJS.Timeout | null = null
  #isStopped = false

  constructor(plane: number, newSeat: () => WorkerSeat, listener: KeeperListener, logger: Logger) {
    this.#plane = plane
    this.#newSeat = newSeat
    this.#listener = listener
    this.#logger = logger
  }

  /** Null while there is none that has been told what to do. */
  get thread(): WorkerThread | null {
    return this.#readyAt === null ? null : this.#thread
  }

  /** Starts the first one. @throws (rejects) why it ended before it was ready; nothing is tried again then. */
  async start(): Promise<void> {
    const thread = this.#launch()
    await thread.started
    await this.#ready(thread)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    await this.#thread?.stop()
  }

  news(thread: WorkerThread, news: WorkerNews): void {
    this.#listener.news(thread, news)
  }

  ended(thread: WorkerThread, error: Error | null): void {
    const wasReady = this.#readyAt !== null
    const isFirst = !wasReady && this.#deaths === 0
    this.#thread = null
    this.#listener.ended(thread, error ?? new Error('it was stopped'))
    if (this.#isStopped || isFirst) return
    const wasSteady = wasReady && performance.now() - (this.#readyAt ?? 0) >= STEADY_AFTER_MS
    this.#readyAt = null
    this.#deaths = wasSteady ? 1 : this.#deaths + 1
    this.#tell(messageOf(error))
    const delay = this.#deaths === 1 ? 0 : FIRST_DELAY_MS * 2 ** (this.#deaths - 2)
    // Keeps the process alive, as the worker did: the gateway still listens.
    this.#timer = setTimeout(() => this.#relaunch(), Math.min(delay, MAX_DELAY_MS))
  }

  #launch(): WorkerThread {
    const thread = new WorkerThread(this.#plane, this.#newSeat, this)
    this.#thread = thread
    return thread
  }

  #relaunch(): void {
    this.#timer = null
    try {
      const thread = this.#launch()
      // One that cannot do what it is told is of no use; that it ended before is told by `ended`.
      thread.started.then(() => this.#ready(thread)).catch((thrown: unknown) => thread.fail(thrown))
    } catch (thrown) {
      this.#deaths++
      this.#tell(messageOf(thrown))
      this.#timer = setTimeout(() => this.#relaunch(), MAX_DELAY_MS)
    }
  }

  async #ready(thread: WorkerThread): Promise<void> {
    this.#readyAt = performance.now()
    await this.#listener.started(thread)
    if (this.#deaths > 0 && thread.isReady) this.#logger.info({ worker: this.#plane }, 'a new worker serves')
  }

  #tell(why: string): void {
    const fields = { worker: this.#plane, error: why }
    if (this.#deaths < TOLD_ONE_BY_ONE) this.#logger.error(fields, 'a worker failed, another takes its place')
    else if (this.#deaths === TOLD_ONE_BY_ONE)
      this.#logger.error(
        fields,
        `workers fail again and again: another is started every time, at most every ${MAX_DELAY_MS} ms`,
      )
  }
}
