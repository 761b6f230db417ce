/**
 * Brings batches to a sink, one after the other, until it has taken each: what fails is tried again, with pauses that grow. A trouble is said
 * once when it begins and once when it is over.
 */

import { Backoff } from '../../core/pool/backoff.js'
import type { Clock } from '../../core/pool/clock.js'
import type { SinkRecord } from '../../core/record/delivery/sink-record.js'
import { messageOf, TidegateError } from '../../errors.js'
import type { Sink } from '../../ports/sink.js'
import { STORE_FIGURE, type StoreHost } from '../../ports/store.js'

export interface CourierOptions {
  readonly sink: Sink
  /** The spool's folder, for messages. */
  readonly dir: string
  readonly host: StoreHost
  readonly clock: Clock
}

/** At the end: one for a connection that broke, and one to be sure. */
const LAST_TRIES = 2

interface Away {
  readonly sinceMs: number
  failures: number
}

export class Courier {
  readonly #options: CourierOptions
  readonly #backoff = new Backoff()
  readonly #giveUp = new AbortController()
  #isOpen = false
  #opening: Promise<void> | null = null
  #away: Away | null = null
  /** Nobody waits for many more tries. */
  #hurried = false
  #lastTries = LAST_TRIES
  #wake: (() => void) | null = null
  #closing: Promise<void> | null = null

  constructor(options: CourierOptions) {
    this.#options = options
  }

  /** Opens the sink for the first time. @throws TidegateError (rejects) only where it is the user's to mend (`fault: 'usage'`). */
  async start(): Promise<void> {
    try {
      await this.#open()
    } catch (error) {
      if (error instanceof TidegateError && error.fault === 'usage') throw error
      this.#failed(error)
    }
  }

  /** Resolves once the sink has taken it: true; or false: it was given up. */
  async bring(batch: readonly SinkRecord[]): Promise<boolean> {
    while (!this.#giveUp.signal.aborted) {
      try {
        if (!this.#isOpen) await this.#open()
        await this.#options.sink.write(batch, this.#giveUp.signal)
        this.#taken(batch.length)
        return true
      } catch (error) {
        if (this.#giveUp.signal.aborted) return false
        this.#failed(error)
        if (!this.#hurried) await this.#pause(this.#backoff.fail())
        else if (--this.#lastTries <= 0) return false
      }
    }
    return false
  }

  /** Tries again at once if it waits, and gives up after {@link LAST_TRIES} more failures. */
  hurry(): void {
    this.#hurried = true
    this.#wake?.()
  }

  /** Gives up what is on its way. */
  abort(): void {
    this.hurry()
    this.#giveUp.abort(new TidegateError('aborted', 'nobody waits for it any more', { fault: 'usage' }))
  }

  /** Closes the sink. Nothing is brought after it. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { sink, host } = this.#options
    try {
      await sink.close()
    } catch (error) {
      const why = messageOf(error)
      host.log('warn', { why }, `'${sink.where}' could not be closed: ${why}`)
    }
  }

  /** Whoever asks while it is being opened waits for that. */
  async #open(): Promise<void> {
    this.#opening ??= Promise.resolve(this.#options.sink.open()).finally(() => {
      this.#opening = null
    })
    await this.#opening
    this.#isOpen = true
  }

  #taken(records: number): void {
    const { host, sink, clock } = this.#options
    const { deliveredRecords } = STORE_FIGURE
    host.figures[deliveredRecords] = (host.figures[deliveredRecords] ?? 0) + records
    this.#backoff.succeed(clock.now())
    if (this.#away === null) return
    const { failures, sinceMs } = this.#away
    const awayMs = Math.round(clock.now() - sinceMs)
    this.#away = null
    host.log('info', { failures, awayMs }, `'${sink.where}' takes records again, after ${failures} failures`)
  }

  #failed(error: unknown): void {
    const { host, sink, dir, clock } = this.#options
    const { deliveryFailures } = STORE_FIGURE
    this.#isOpen = false
    host.figures[deliveryFailures] = (host.figures[deliveryFailures] ?? 0) + 1
    if (this.#away !== null) {
      this.#away.failures++
      return
    }
    this.#away = { sinceMs: clock.now(), failures: 1 }
    const why = messageOf(error)
    host.log('warn', { dir, why }, `'${sink.where}' takes no records, they wait in '${dir}': ${why}`)
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(delayMs, resolve, true)
      this.#wake = () => {
        cancel()
        resolve()
      }
    })
  }
}
