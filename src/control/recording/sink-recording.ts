/**
 * The recorder's shell: gives it the time, writes its slabs to the sink, one at a time and in order, and does to the
 * links what it asks for.
 */

import type { CloseReason } from '../../core/close-reason.js'
import { LINK_TYPE } from '../../core/codec/link-types.js'
import { encodeSectionStart } from '../../core/codec/pcapng/writer.js'
import type { Direction } from '../../core/direction.js'
import { Recorder, type RecorderHost, type RecorderReport } from '../../core/record/recorder.js'
import type { ConnectionTrack } from '../../core/record/track.js'
import { errnoOf, messageOf, TidegateError } from '../../errors.js'
import { type Logger, SILENT } from '../../ports/logger.js'
import type { Sink } from '../../ports/sink.js'
import type {
  ConnectionTap,
  Holdable,
  RecordedConnection,
  RecordedListener,
  Recording,
  RecordingCounters,
  RecordingOptions,
} from './recording.js'
import { logReport } from './reports.js'
import { Tap, type TapListener } from './tap.js'
import { WallClock } from './wall-clock.js'

/** What a `kill -9` costs at most, besides what the sink is just writing, ms. Short enough for a file that is watched to seem live. */
const FLUSH_INTERVAL_MS = 100

/** How often closes that could not be written are tried again while there is no traffic, ms. */
const RETRY_INTERVAL_MS = 1000

const DEFAULT_MAX_BUFFERED_BYTES = 16 * 1024 * 1024
const DEFAULT_CLOSE_TIMEOUT_MS = 10_000

/** For a sink that no longer answers, to close all the same, ms. */
const SINK_CLOSE_GRACE_MS = 1000

/** A packet needs an interface, also when the first listener to be recorded comes with a reload. */
const UNNAMED_LISTENER: RecordedListener = { name: '', description: '' }

const UNWRITTEN = 'not written in time'

const systemNameOf = (error: unknown): string | undefined =>
  error instanceof TidegateError ? error.errno : errnoOf(error)

/** Resolves as `work` does, or with false once the time is over. */
const within = async (work: Promise<unknown>, timeoutMs: number): Promise<boolean> => {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, false)
  })
  try {
    return await Promise.race([work.then(() => true), timeout])
  } finally {
    clearTimeout(timer)
  }
}

export class SinkRecording implements Recording, RecorderHost, TapListener {
  readonly #sink: Sink
  readonly #logger: Logger
  readonly #recorder: Recorder
  readonly #clock = new WallClock()
  readonly #taps = new Map<ConnectionTrack, Tap>()
  #timer: NodeJS.Timeout | undefined
  #writing = false
  /** A slab that is not full is to be written too. */
  #flushDue = false
  #onIdle: (() => void) | null = null
  #closing: Promise<RecordingCounters> | null = null

  constructor(options: RecordingOptions) {
    this.#sink = options.sink
    this.#logger = options.logger ?? SILENT
    const { raw } = LINK_TYPE
    const listeners = options.listeners.length > 0 ? options.listeners : [UNNAMED_LISTENER]
    const interfaces = listeners.map((listener) => ({ ...listener, linkType: raw }))
    this.#recorder = new Recorder(
      {
        sectionStart: encodeSectionStart(options.application, interfaces),
        interfaces: new Map(interfaces.map(({ name }, index) => [name, index])),
        overload: options.overload ?? 'block',
        onFailure: options.onFailure ?? 'continue',
        maxBufferedBytes: options.maxBufferedBytes ?? DEFAULT_MAX_BUFFERED_BYTES,
        sequenceSalt: Date.now(),
        distinctEnds: true,
      },
      this,
    )
    this.#recorder.begin()
    this.#flushDue = true
    this.#pump()
  }

  open(connection: RecordedConnection, link: () => Holdable | null): ConnectionTap {
    const track = this.#recorder.open(connection, this.#clock.now())
    const tap = new Tap(this, track, link)
    this.#taps.set(track, tap)
    // Its link is made just after this; by the microtask it is there.
    if (this.#recorder.holding) queueMicrotask(() => this.#holdLate(tap))
    this.#proceed()
    return tap
  }

  data(tap: Tap, chunk: Uint8Array, direction: Direction): void {
    this.#recorder.data(tap.track, chunk, direction, this.#clock.now())
    if (this.#recorder.holding) this.#holdLate(tap)
    this.#proceed()
  }

  endOfStream(tap: Tap, direction: Direction): void {
    this.#recorder.endOfStream(tap.track, direction, this.#clock.now())
    this.#proceed()
  }

  closed(tap: Tap, reason: CloseReason): void {
    if (!this.#taps.delete(tap.track)) return
    this.#recorder.close(tap.track, reason, this.#clock.now())
    this.#proceed()
  }

  counters(): RecordingCounters {
    return this.#recorder.counters()
  }

  close(timeoutMs: number = DEFAULT_CLOSE_TIMEOUT_MS): Promise<RecordingCounters> {
    this.#closing ??= this.#close(timeoutMs)
    return this.#closing
  }

  holdAll(): void {
    for (const tap of this.#taps.values()) tap.hold()
  }

  releaseAll(): void {
    for (const tap of this.#taps.values()) tap.release()
  }

  disconnect(track: ConnectionTrack, why: string): void {
    const message = `connection ${track.spec.id} could not be recorded: ${why}`
    this.#taps.get(track)?.disconnect(new TidegateError('write_failed', message, { fault: 'system' }))
  }

  report(report: RecorderReport): void {
    logReport(this.#logger, this.#sink.where, report)
  }

  #holdLate(tap: Tap): void {
    if (this.#recorder.holding && this.#taps.has(tap.track)) tap.hold()
  }

  /** After each event: writes what is full, and sees to it that the rest is not forgotten. */
  #proceed(): void {
    if (this.#recorder.hasFull) this.#pump()
    if (this.#timer === undefined) this.#arm()
  }

  #arm(): void {
    if (this.#closing !== null) return
    const { bufferedBytes, waitingCloses } = this.#recorder
    if (bufferedBytes > 0) this.#timer = setTimeout(this.#tick, FLUSH_INTERVAL_MS)
    else if (waitingCloses > 0) this.#timer = setTimeout(this.#tick, RETRY_INTERVAL_MS).unref()
  }

  readonly #tick = (): void => {
    this.#timer = undefined
    this.#clock.adjust()
    if (this.#recorder.bufferedBytes === 0) this.#recorder.retryCloses()
    this.#flushDue = true
    this.#pump()
    this.#arm()
  }

  #pump(): void {
    if (this.#writing) return
    const bytes = this.#recorder.take(this.#flushDue || this.#closing !== null)
    if (!this.#recorder.hasFull) this.#flushDue = false
    if (bytes === null) {
      this.#onIdle?.()
      return
    }
    this.#writing = true
    this.#sink.write(bytes).then(this.#stored, this.#refused)
  }

  readonly #stored = (): void => this.#settled(null)

  readonly #refused = (error: unknown): void =>
    this.#settled(`write failed: ${systemNameOf(error) ?? messageOf(error)}`)

  #settled(failure: string | null): void {
    this.#writing = false
    this.#recorder.settle(failure, this.#clock.now())
    this.#pump()
    this.#proceed()
  }

  /** Resolves when all that is buffered has been written or refused. */
  #drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#onIdle = resolve
      this.#pump()
    })
  }

  /** Tries the closes that wait as long as that makes them fewer. */
  async #flush(): Promise<void> {
    await this.#drained()
    let before = Number.POSITIVE_INFINITY
    while (this.#recorder.waitingCloses > 0 && this.#recorder.waitingCloses < before) {
      before = this.#recorder.waitingCloses
      this.#recorder.retryCloses()
      await this.#drained()
    }
  }

  async #close(timeoutMs: number): Promise<RecordingCounters> {
    clearTimeout(this.#timer)
    this.#recorder.finish()
    const flushed = await within(
      Promise.resolve().then(() => this.#flush()),
      timeoutMs,
    )
    if (!flushed) {
      this.#recorder.abandon(UNWRITTEN, this.#clock.now())
      this.#logger.warn(
        { where: this.#sink.where },
        `the recording to '${this.#sink.where}' was not finished in time`,
      )
    }
    const sinkClosed = this.#sink.close().catch((error: unknown) => {
      const why = messageOf(error)
      this.#logger.warn({ where: this.#sink.where, why }, `'${this.#sink.where}' could not be closed: ${why}`)
    })
    await within(sinkClosed, flushed ? timeoutMs : SINK_CLOSE_GRACE_MS)
    return this.counters()
  }
}

/** Starts a recording into `sink`, which belongs to it from then on. */
export const startRecording = (options: RecordingOptions): Recording => new SinkRecording(options)
