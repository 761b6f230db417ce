/**
 * The recording of one gateway, seen from the main thread: the file, the thread that writes it, and a seat for each
 * plane that records.
 */

import { randomUUID } from 'node:crypto'
import { MessageChannel } from 'node:worker_threads'
import { LINK_TYPE } from '../../core/codec/link-types.js'
import { encodeSectionStart } from '../../core/codec/pcapng/writer.js'
import { encodeRecordingComment } from '../../core/record/annotation.js'
import { addRow, FIGURE, FIGURES, figure, readCounters } from '../../core/record/counters.js'
import { MIN_POOL_BYTES } from '../../core/record/slab-pool.js'
import { sharedEnds } from '../../core/record/tuples.js'
import { messageOf } from '../../errors.js'
import { type Logger, SILENT } from '../../ports/logger.js'
import { STORE_FIGURE, STORE_FIGURES } from '../../ports/store.js'
import {
  DEFAULT_CLOSE_TIMEOUT_MS,
  type OpenedStore,
  type RecordedListener,
  type RecordingCounters,
  type RecordingOptions,
  type SinkCounters,
} from './recording.js'
import { type RecordingSeat, WRITER_CELL } from './seat.js'
import { SeatWatch } from './seat-watch.js'
import { Troubles } from './troubles.js'
import { within } from './within.js'
import { type StartWriter, startWriterThread, type WriterLink } from './writer-link.js'

const DEFAULT_MAX_BUFFERED_BYTES = 16 * 1024 * 1024

/** For a sink that no longer answers, to close all the same, ms. */
const SINK_CLOSE_GRACE_MS = 1000

/** A packet needs an interface, also when the first listener to be recorded comes with a reload. */
const UNNAMED_LISTENER: RecordedListener = { name: '', description: '' }

export interface RecordingSite {
  /**
   * A seat for the plane of this number (0: the main thread). One plane may have several, one after the other. A plane whose
   * thread dies need not be reported: what it had not handed over is counted lost, and said once.
   */
  seat(plane: number): RecordingSeat
  /** How many connections each seat has opened, by owner number; of seats that are over, and done with, nothing. */
  opened(): ReadonlyMap<number, number>
  /** Of all planes together, whatever they are doing. */
  counters(): RecordingCounters
  /**
   * Waits for the seats to be closed by those who have them, then ends the thread and closes the file. What is not
   * done within `timeoutMs` (default 10 s) is given up. Idempotent.
   */
  close(timeoutMs?: number): Promise<RecordingCounters>
}

class OpenSite implements RecordingSite {
  readonly #options: RecordingOptions
  readonly #store: OpenedStore
  readonly #writer: WriterLink
  readonly #writerState: Int32Array
  readonly #figures: Float64Array
  readonly #logger: Logger
  readonly #troubles: Troubles
  readonly #interfaces: ReadonlyMap<string, number>
  readonly #ends = sharedEnds()
  readonly #salt: number
  /** By owner number. */
  readonly #seats = new Map<number, SeatWatch>()
  /** Owners of seats whose plane is gone, while the writer is not done with them. */
  readonly #gone = new Set<number>()
  /** Figures of seats that are over; those that ended well may still count what is seen after the end. */
  readonly #past: Float64Array[] = []
  #onEmpty: (() => void) | null = null
  #writerGone = false
  /** Closing did not wait for all seats: what they may still report is the consequence, and has been said. */
  #gaveUp = false
  #closing: Promise<RecordingCounters> | null = null

  private constructor(
    options: RecordingOptions,
    interfaces: ReadonlyMap<string, number>,
    writer: WriterLink,
    writerState: Int32Array,
    figures: Float64Array,
    salt: number,
  ) {
    this.#options = options
    this.#store = options.store
    this.#writer = writer
    this.#writerState = writerState
    this.#figures = figures
    this.#interfaces = interfaces
    this.#salt = salt
    this.#logger = options.logger ?? SILENT
    this.#troubles = new Troubles(this.#logger, options.store.where)
  }

  static async open(options: RecordingOptions, start: StartWriter): Promise<OpenSite> {
    const listeners = options.listeners.length > 0 ? options.listeners : [UNNAMED_LISTENER]
    const { raw } = LINK_TYPE
    const interfaces = listeners.map((listener) => ({ ...listener, linkType: raw }))
    const state = new Int32Array(
      new SharedArrayBuffer(Object.keys(WRITER_CELL).length * Int32Array.BYTES_PER_ELEMENT),
    )
    const recording = randomUUID()
    const sectionStart = encodeSectionStart(
      options.application,
      interfaces,
      encodeRecordingComment(recording),
    )
    const { where, spec: store, figures = newFigures() } = options.store
    const { logger = SILENT } = options
    const sequenceSalt = Date.now()
    // Nobody has a seat before the thread is there, so nothing happens before `site` is.
    const writer = await start(
      { where, store, sectionStart, recording, sequenceSalt, state, figures },
      {
        onLeft: (owner) => site.#seatIsOver(owner),
        onDeath: (why) => site.#writerDied(why),
        onLine: ({ level, fields, message }) => logger[level]({ where, ...fields }, message),
      },
    )
    const byName = new Map(interfaces.map(({ name }, index) => [name, index]))
    const site = new OpenSite(options, byName, writer, state, figures, sequenceSalt)
    return site
  }

  seat(plane: number): RecordingSeat {
    const owner = this.#freeOwner()
    const slabs = new MessageChannel()
    const reports = new MessageChannel()
    const watch = new SeatWatch(plane, owner, reports.port1, {
      onReport: (report) => {
        if (!this.#gaveUp) this.#troubles.hear(owner, report)
      },
      onGone: () => this.#seatIsGone(owner),
    })
    this.#seats.set(owner, watch)
    if (this.#writerGone) slabs.port1.close()
    else this.#writer.serve(owner, { slabs: slabs.port1, cells: watch.cells })
    const { overload = 'block', onFailure = 'continue' } = this.#options
    return {
      plane,
      interfaces: this.#interfaces,
      overload,
      onFailure,
      maxBufferedBytes: this.#share(),
      sequenceSalt: this.#salt,
      ends: this.#ends,
      owner,
      cells: watch.cells,
      writerState: this.#writerState,
      slabs: slabs.port2,
      reports: reports.port2,
    }
  }

  opened(): ReadonlyMap<number, number> {
    return new Map(
      Array.from(this.#seats, ([owner, { cells }]) => [owner, figure(cells, FIGURE.connections)]),
    )
  }

  counters(): RecordingCounters {
    const sum = new Float64Array(FIGURES)
    for (const cells of this.#past) addRow(sum, cells)
    for (const { cells } of this.#seats.values()) addRow(sum, cells)
    const files = this.#figures[STORE_FIGURE.files] ?? 0
    const counters = { ...readCounters(sum), ...(files > 0 ? { files } : {}) }
    return this.#store.spec.kind === 'spool' ? { ...counters, sink: sinkCounters(this.#figures) } : counters
  }

  close(timeoutMs: number = DEFAULT_CLOSE_TIMEOUT_MS): Promise<RecordingCounters> {
    this.#closing ??= this.#close(timeoutMs)
    return this.#closing
  }

  /** Of what may wait for the sink, all planes together. */
  #share(): number {
    const { maxBufferedBytes = DEFAULT_MAX_BUFFERED_BYTES, planes = 1 } = this.#options
    return Math.max(MIN_POOL_BYTES, Math.floor(maxBufferedBytes / planes))
  }

  #freeOwner(): number {
    let owner = 0
    while (this.#seats.has(owner)) owner++
    return owner
  }

  #seatIsGone(owner: number): void {
    if (this.#writerGone) return this.#seatIsOver(owner)
    this.#gone.add(owner)
    this.#writer.leave(owner)
  }

  #seatIsOver(owner: number): void {
    const watch = this.#seats.get(owner)
    if (watch === undefined) return
    const missing = watch.settle(this.#ends)
    if (missing === null) this.#troubles.seatLeft(owner)
    else this.#troubles.planeDied(owner, watch.plane, missing.lostBytes, missing.unclosed)
    this.#past.push(watch.cells)
    this.#seats.delete(owner)
    this.#gone.delete(owner)
    if (this.#seats.size === 0) this.#onEmpty?.()
  }

  #writerDied(why: string): void {
    this.#writerGone = true
    this.#troubles.writerDied(why)
    // It will not say any more that it is done with them.
    for (const owner of [...this.#gone]) this.#seatIsOver(owner)
  }

  async #close(timeoutMs: number): Promise<RecordingCounters> {
    const deadline = performance.now() + timeoutMs
    const leftMs = (): number => Math.max(SINK_CLOSE_GRACE_MS, deadline - performance.now())
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve
      if (this.#seats.size === 0) resolve()
    })
    const finished = await within(empty, timeoutMs)
    if (!finished) {
      this.#troubles.unfinished()
      this.#gaveUp = true
    }
    const closeMs = finished ? leftMs() : SINK_CLOSE_GRACE_MS
    this.#writer.close(closeMs)
    const { where } = this.#store
    // Not before the thread is gone: the descriptor's number may be another file's soon.
    const closed = this.#writer.ended
      .then(() => this.#store.close(finished ? leftMs() : SINK_CLOSE_GRACE_MS))
      .catch((error: unknown) => {
        const why = messageOf(error)
        this.#logger.warn({ where, why }, `'${where}' could not be closed: ${why}`)
      })
    await within(closed, closeMs + SINK_CLOSE_GRACE_MS)
    return this.counters()
  }
}

export const newFigures = (): Float64Array =>
  new Float64Array(new SharedArrayBuffer(STORE_FIGURES * Float64Array.BYTES_PER_ELEMENT))

const sinkCounters = (figures: Float64Array): SinkCounters => ({
  spooledBytes: figures[STORE_FIGURE.spooledBytes] ?? 0,
  deliveredRecords: figures[STORE_FIGURE.deliveredRecords] ?? 0,
  deliveryFailures: figures[STORE_FIGURE.deliveryFailures] ?? 0,
})

/**
 * Starts a recording into `store`, which belongs to it from then on, also if this fails.
 * @throws TidegateError (rejects) `file_unwritable` when the system has no thread to spare.
 */
export const openRecordingSite = async (
  options: RecordingOptions,
  startWriter: StartWriter = startWriterThread,
): Promise<RecordingSite> => {
  try {
    return await OpenSite.open(options, startWriter)
  } catch (thrown) {
    await options.store.close(0)
    throw thrown
  }
}
