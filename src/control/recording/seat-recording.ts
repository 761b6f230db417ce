/**
 * The recorder's shell on a plane's thread: gives it the time, hands its slabs to the writer thread, and does to the links
 * what it asks for.
 *
 * Full slabs are handed over at once. One that is not full waits until the writer has nothing of this plane's: while the
 * sink is slow, slabs fill up instead of becoming many.
 */

import type { CloseReason } from '../../core/close-reason.js'
import type { Direction } from '../../core/direction.js'
import type { Capture } from '../../core/record/capture.js'
import { Recorder, type RecorderHost, type RecorderReport } from '../../core/record/recorder.js'
import type { ConnectionTrack } from '../../core/record/track.js'
import { Tuples } from '../../core/record/tuples.js'
import { MAX_WAITING_CLOSES } from '../../core/record/waiting-closes.js'
import { TidegateError } from '../../errors.js'
import {
  type ConnectionTap,
  DEFAULT_CLOSE_TIMEOUT_MS,
  type Holdable,
  type RecordedConnection,
  type Recording,
  type RecordingCounters,
} from './recording.js'
import {
  type PressOrder,
  type RecordingSeat,
  SEAT_CELL,
  type SeatReport,
  type SlabAnswer,
  WRITER_CELL,
} from './seat.js'
import { SlabPort } from './slab-port.js'
import { Tap, type TapListener } from './tap.js'
import { WallClock } from './wall-clock.js'
import { within } from './within.js'

/** What a `kill -9` costs at most, besides what the sink is just writing, ms. Short enough for a file that is watched to seem live. */
const FLUSH_INTERVAL_MS = 100

/** How often, without traffic, closes that could not be written are tried again, and troubles looked at, ms. */
const RETRY_INTERVAL_MS = 1000

const UNWRITTEN = 'not written in time'

class SeatRecording implements Recording, RecorderHost, TapListener {
  readonly #seat: RecordingSeat
  readonly #recorder: Recorder
  readonly #port: SlabPort
  readonly #clock = new WallClock()
  /** By the gateway's own number of their connection. */
  readonly #taps = new Map<number, Tap>()
  #timer: NodeJS.Timeout | undefined
  /** A slab that is not full is to be written too. */
  #flushDue = false
  #onIdle: (() => void) | null = null
  #closing: Promise<RecordingCounters> | null = null

  constructor(seat: RecordingSeat, maxWaitingCloses: number) {
    this.#seat = seat
    this.#port = new SlabPort(
      seat.slabs,
      (answer) => this.#answered(answer),
      (order) => this.#press(order),
    )
    this.#recorder = new Recorder(
      {
        interfaces: seat.interfaces,
        overload: seat.overload,
        onFailure: seat.onFailure,
        maxBufferedBytes: seat.maxBufferedBytes,
        figures: seat.cells,
        sequenceSalt: seat.sequenceSalt,
        tuples: new Tuples(seat.ends, seat.owner),
        maxWaitingCloses,
      },
      this,
    )
    seat.reports.unref()
  }

  /** Has the file begun, though there may be no traffic. */
  begin(): void {
    this.#recorder.begin()
    this.#flushDue = true
    this.#pump()
  }

  open(connection: RecordedConnection, link: () => Holdable | null, capture?: Capture): ConnectionTap {
    const track = this.#recorder.open(connection, this.#clock.now(), capture)
    const tap = new Tap(this, track, link)
    this.#taps.set(connection.id, tap)
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
    if (!this.#isOpen(tap)) return
    this.#taps.delete(tap.track.spec.id)
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

  hold({ spec }: ConnectionTrack, isHeld: boolean): void {
    this.#taps.get(spec.id)?.holdAlone(isHeld)
  }

  disconnect(track: ConnectionTrack, why: string): void {
    const message = `connection ${track.spec.id} could not be recorded: ${why}`
    this.#taps.get(track.spec.id)?.disconnect(new TidegateError('write_failed', message, { fault: 'system' }))
  }

  report(report: RecorderReport): void {
    this.#tell(report)
  }

  #tell(report: SeatReport): void {
    this.#seat.reports.postMessage(report)
  }

  #isOpen(tap: Tap): boolean {
    return this.#taps.get(tap.track.spec.id) === tap
  }

  #press({ press, isSlow }: PressOrder): void {
    const tap = this.#taps.get(press)
    if (tap !== undefined && this.#closing === null) this.#recorder.press(tap.track, isSlow)
  }

  #holdLate(tap: Tap): void {
    if (this.#recorder.holding && this.#isOpen(tap)) tap.hold()
  }

  /** After each event: hands over what is full, and sees to it that the rest is not forgotten. */
  #proceed(): void {
    if (this.#recorder.hasFull) this.#pump()
    if (this.#timer === undefined) this.#arm()
  }

  #arm(): void {
    if (this.#closing !== null) return
    const { bufferedBytes, waitingCloses, isTroubled } = this.#recorder
    if (bufferedBytes > 0) this.#timer = setTimeout(this.#tick, FLUSH_INTERVAL_MS)
    else if (waitingCloses > 0 || isTroubled) this.#timer = setTimeout(this.#tick, RETRY_INTERVAL_MS).unref()
  }

  readonly #tick = (): void => {
    this.#timer = undefined
    this.#clock.adjust()
    if (this.#recorder.bufferedBytes === 0) {
      this.#recorder.calm(this.#sinkWorks, this.#clock.now())
      this.#recorder.retryCloses()
    }
    this.#flushDue = true
    this.#pump()
    this.#arm()
  }

  /** As whoever has written last has seen it. */
  get #sinkWorks(): boolean {
    return this.#port.isOpen && Atomics.load(this.#seat.writerState, WRITER_CELL.failing) === 0
  }

  #pump(): void {
    while (this.#recorder.hasFull) this.#handOver(false)
    if (this.#port.waiting > 0) return
    if ((this.#flushDue || this.#closing !== null) && this.#handOver(true)) return
    this.#onIdle?.()
  }

  /** False when there was nothing. */
  #handOver(partial: boolean): boolean {
    const slab = this.#recorder.take(partial)
    if (partial) this.#flushDue = false
    if (slab === null) return false
    this.#port.send(slab)
    return true
  }

  #answered({ failure, refused, memory }: SlabAnswer): void {
    this.#recorder.settle(failure, this.#clock.now(), memory, refused)
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
    for (const tap of this.#taps.values()) tap.holdAlone(false)
    const flushed = await within(
      Promise.resolve().then(() => this.#flush()),
      timeoutMs,
    )
    if (flushed) this.#recorder.conclude(this.#sinkWorks)
    else {
      this.#recorder.abandon(UNWRITTEN, this.#clock.now())
      this.#tell({ kind: 'unfinished' })
    }
    this.#seat.cells[SEAT_CELL.ended] = 1
    this.#port.close()
    this.#seat.reports.close()
    return this.counters()
  }
}

/** Takes a seat, once, on the thread it was made for. */
export const startSeat = (seat: RecordingSeat, maxWaitingCloses = MAX_WAITING_CLOSES): Recording => {
  const recording = new SeatRecording(seat, maxWaitingCloses)
  if (seat.plane === 0) recording.begin()
  return recording
}
