/**
 * Brings batches to a sink, one after the other, until it has taken each: what fails is tried again, with pauses that grow. A trouble is said
 * once when it begins, again when it turns out to be the user's to mend, and once when it is over.
 */

import { Backoff } from '../../core/pool/backoff.js'
import type { Cancel, Clock } from '../../core/pool/clock.js'
import type { SinkRecord } from '../../core/record/delivery/sink-record.js'
import { QUIET_MS } from '../../core/record/episode.js'
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

/** A sink that takes nothing for now. */
interface Away {
  readonly sinceMs: number
  failures: number
  /** The kind of failure that the log has of it last; null: only that it does not answer. */
  said: string | null
}

/** The same whatever was being done when it failed. */
const kindOf = (error: unknown): string =>
  (error instanceof TidegateError ? error.errno : undefined) ?? messageOf(error)

const isUsage = (error: unknown): boolean => error instanceof TidegateError && error.fault === 'usage'

export class Courier {
  readonly #options: CourierOptions
  readonly #backoff = new Backoff()
  readonly #giveUp = new AbortController()
  #isOpen = false
  #opening: Promise<void> | null = null
  #away: Away | null = null
  /** It takes records again; until it has done so for a while, the next failure is still the same trouble. */
  #settling: { readonly awayMs: number; readonly cancel: Cancel } | null = null
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
      // Once it is late, nobody hears it.
      if (isUsage(error) && this.#away === null) throw error
      this.#failed(error)
    }
  }

  /** {@link start} takes so long that nobody waits for it. */
  isLate(): void {
    const { host, sink, dir, clock } = this.#options
    if (this.#isOpen || this.#away !== null) return
    this.#away = { sinceMs: clock.now(), failures: 0, said: null }
    host.log('warn', { dir }, `'${sink.where}' does not answer yet, records wait in '${dir}'`)
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
    this.#isBack()
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
    const { host, clock } = this.#options
    const { deliveredRecords } = STORE_FIGURE
    host.figures[deliveredRecords] = (host.figures[deliveredRecords] ?? 0) + records
    this.#backoff.succeed(clock.now())
    if (this.#away === null || this.#settling !== null) return
    const awayMs = Math.round(clock.now() - this.#away.sinceMs)
    const cancel = clock.after(QUIET_MS, () => this.#isBack(), true)
    this.#settling = { awayMs, cancel }
  }

  /** It has taken what it was brought for a while, or nothing more is brought. */
  #isBack(): void {
    const { host, sink } = this.#options
    if (this.#away === null || this.#settling === null) return
    const { failures } = this.#away
    const { awayMs, cancel } = this.#settling
    cancel()
    this.#settling = null
    this.#away = null
    const how = failures === 0 ? 'now' : `again, after ${failures} failure${failures === 1 ? '' : 's'}`
    host.log('info', { failures, awayMs }, `'${sink.where}' takes records ${how}`)
  }

  #failed(error: unknown): void {
    const { host, clock } = this.#options
    const { deliveryFailures } = STORE_FIGURE
    this.#isOpen = false
    this.#settling?.cancel()
    this.#settling = null
    host.figures[deliveryFailures] = (host.figures[deliveryFailures] ?? 0) + 1
    this.#away ??= { sinceMs: clock.now(), failures: 0, said: null }
    this.#away.failures++
    this.#say(this.#away, error)
  }

  /** A server that is away fails in several ways on its way back: only the first is said. But not what waits for somebody to mend it. */
  #say(away: Away, error: unknown): void {
    const { host, sink, dir } = this.#options
    const [why, kind] = [messageOf(error), kindOf(error)]
    if (away.said !== null && (!isUsage(error) || away.said === kind)) return
    const still = away.said === null ? '' : 'still '
    away.said = kind
    host.log('warn', { dir, why }, `'${sink.where}' ${still}takes no records, they wait in '${dir}': ${why}`)
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
