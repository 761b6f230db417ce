/**
 * The recorder: connections, chunks and the sink's answers go in; slabs of pcapng for the sink come out. Pure: time is
 * an argument, and what it wants done to the world it asks its host for.
 *
 *     open, data, endOfStream, close  →  (intake)  →  packets in a slab  →  take  →  (the sink)  →  settle  →  ledger
 *
 * Invariants:
 * - a byte is entered as cut when it is, as stored when the sink has taken the slab it is in, as lost when the sink has
 *   refused it or there was no room; nothing is entered twice, so `seen = stored + lost + cut` once a connection is settled
 * - a connection's close, which carries the ledger, is written when all its earlier packets are settled
 * - what a lost slab said besides data (`open`, `gap`, FIN, `close`) is said again
 */

import type { CloseReason } from '../close-reason.js'
import type { Direction } from '../direction.js'
import { type Capture, EVERYTHING } from './capture.js'
import { count, FIGURE, FIGURES, figure, readCounters } from './counters.js'
import { packetEnds } from './endpoints.js'
import { Episode } from './episode.js'
import { Intake, type Write } from './intake.js'
import { Scribe } from './scribe.js'
import type { Note, Slab } from './slab.js'
import { SlabPool } from './slab-pool.js'
import { type ConnectionSpec, ConnectionTrack, type StreamTrack } from './track.js'
import type { Tuples } from './tuples.js'
import { MAX_WAITING_CLOSES, WaitingCloses } from './waiting-closes.js'

/** What traffic does when the sink cannot keep up: slows down, goes on with a marked gap, or is cut. */
export type OverloadPolicy = 'block' | 'drop' | 'disconnect'

/** What traffic does when a write fails: goes on with the loss marked, or is cut. */
export type FailurePolicy = 'continue' | 'disconnect'

export interface RecorderOptions {
  /** Interface index of each listener; others are 0. */
  readonly interfaces: ReadonlyMap<string, number>
  readonly overload: OverloadPolicy
  readonly onFailure: FailurePolicy
  readonly maxBufferedBytes: number
  /** Its counters (see counters.ts), which go on from what is there. Default: a row of its own. */
  readonly figures?: Float64Array
  /** Any number that differs from recording to recording: a continued file must not repeat its sequence numbers. */
  readonly sequenceSalt: number
  /** Gives a client another port in its packets while another connection uses the same ends. Null: ends are as they come. */
  readonly tuples: Tuples | null
  /**
   * Closed connections whose close waits for the sink to work again. Beyond it the oldest close is given up: a sink that failed for so
   * long must not fill the memory. Default 4096.
   */
  readonly maxWaitingCloses?: number
}

/** Something a person should know, once per episode. */
export type RecorderReport =
  | { readonly kind: 'write_failing'; readonly why: string }
  | { readonly kind: 'write_recovered'; readonly lostBytes: number }
  | { readonly kind: 'overload'; readonly policy: OverloadPolicy }
  | { readonly kind: 'overload_over'; readonly policy: OverloadPolicy; readonly lostBytes: number }

export interface RecorderHost {
  /** Hold every recorded link, and those opened from now on, until {@link releaseAll}. */
  holdAll(): void
  releaseAll(): void
  /** Hold this link alone, or no longer: whatever {@link holdAll} and {@link releaseAll} say of all. */
  hold(connection: ConnectionTrack, isHeld: boolean): void
  disconnect(connection: ConnectionTrack, why: string): void
  report(report: RecorderReport): void
}

/** Why the sink has not taken what it had of a connection; null: it has. */
type WhyOf = (connection: ConnectionTrack) => string | null

/** A direction that only receives still acknowledges, so that readers need not remember every packet of the other. */
const PACKETS_PER_ACK = 1000

export const OVERLOAD_DROPPED = 'overload: dropped'
const OVERLOAD_DISCONNECTED = 'overload: disconnected'
const RECORDING_CLOSED = 'recording closed'

export class Recorder {
  readonly #options: RecorderOptions
  readonly #host: RecorderHost
  readonly #pool: SlabPool
  readonly #scribe: Scribe
  readonly #intake: Intake
  readonly #figures: Float64Array
  readonly #highSlabs: number
  readonly #lowSlabs: number
  /** Open connections that may have bytes held back by redaction. */
  readonly #redacted = new Set<ConnectionTrack>()
  readonly #waiting: WaitingCloses
  /** What was just written found no room, and its connection is to be ended for it. */
  #refused = false
  #holding = false
  #finished = false
  #abandoned = false
  /** The last write failed. */
  #failing = false
  readonly #failure = new Episode()
  readonly #overload = new Episode()

  constructor(options: RecorderOptions, host: RecorderHost) {
    this.#options = options
    this.#host = host
    this.#figures = options.figures ?? new Float64Array(FIGURES)
    this.#pool = new SlabPool(options.maxBufferedBytes)
    this.#scribe = new Scribe(this.#pool, this.#figures, options.overload === 'block')
    this.#intake = new Intake(this.#figures, this.#write)
    const { maxWaitingCloses = MAX_WAITING_CLOSES } = options
    this.#waiting = new WaitingCloses(this.#figures, maxWaitingCloses, (oldest) => this.#forget(oldest))
    this.#highSlabs = Math.ceil((this.#pool.maxSlabs * 3) / 4)
    this.#lowSlabs = Math.floor(this.#pool.maxSlabs / 2)
  }

  /** A full slab waits to be taken. */
  get hasFull(): boolean {
    return this.#pool.hasFull
  }

  get bufferedBytes(): number {
    return figure(this.#figures, FIGURE.blockBytes) - figure(this.#figures, FIGURE.answeredBytes)
  }

  get holding(): boolean {
    return this.#holding
  }

  get waitingCloses(): number {
    return this.#waiting.size
  }

  counters() {
    return readCounters(this.#figures)
  }

  /** Has something written, though it is nothing yet: so a sink gets to write how its file begins. */
  begin(): void {
    this.#pool.room(0, true)
  }

  open(spec: ConnectionSpec, nowMs: number, capture: Capture = EVERYTHING): ConnectionTrack {
    const { interfaces, sequenceSalt, tuples } = this.#options
    const real = packetEnds(spec.client, spec.server, spec.id)
    const ends = tuples === null || this.#finished ? real : tuples.claim(real)
    const connection = new ConnectionTrack(
      spec,
      ends,
      interfaces.get(spec.listener) ?? 0,
      sequenceSalt,
      capture,
    )
    count(this.#figures, FIGURE.connections, 1)
    if (this.#finished) return connection
    if (capture.redaction !== null) this.#redacted.add(connection)
    this.#scribe.open(connection, nowMs)
    this.#checkHigh(nowMs)
    return connection
  }

  data(connection: ConnectionTrack, chunk: Uint8Array, direction: Direction, nowMs: number): void {
    if (chunk.length === 0) return
    const stream = direction === 'upstream' ? connection.upstream : connection.downstream
    stream.ledger.see(chunk.length)
    count(this.#figures, FIGURE.seenBytes, chunk.length)
    if (this.#finished) return this.#loseRest(stream, RECORDING_CLOSED)
    this.#intake.data(stream, chunk, nowMs)
    if (stream.unacknowledged >= PACKETS_PER_ACK) this.#scribe.acknowledge(stream, nowMs)
    this.#checkHigh(nowMs)
    this.#endRefused(connection)
  }

  endOfStream(connection: ConnectionTrack, direction: Direction, nowMs: number): void {
    const stream = direction === 'upstream' ? connection.upstream : connection.downstream
    if (stream.fin !== 'none' || connection.ending !== null || this.#finished) return
    this.#intake.end(stream, nowMs)
    stream.fin = 'due'
    connection.lastFin = stream
    this.#scribe.fin(stream, nowMs)
    this.#endRefused(connection)
  }

  /** The connection is over. Its close is written when everything before it is settled. */
  close(connection: ConnectionTrack, reason: CloseReason, nowMs: number): void {
    if (connection.ending !== null) return
    this.#intake.breakOff(connection.upstream)
    this.#intake.breakOff(connection.downstream)
    this.#refused = false
    this.#redacted.delete(connection)
    connection.ending = { reason, timeMs: nowMs }
    if (this.#finished) this.#waiting.add(connection)
    else if (connection.unsettled === 0) this.#finish(connection)
  }

  /**
   * What takes this connection's bytes, and others' perhaps not, is slower than they come: until `isSlow` is false, the overload policy
   * holds for it alone.
   */
  press(connection: ConnectionTrack, isSlow: boolean): void {
    if (connection.ending !== null) return
    const { overload } = this.#options
    if (overload === 'drop') connection.isPressed = isSlow
    else if (overload === 'block') this.#host.hold(connection, isSlow)
    else if (isSlow) this.#disconnect(connection, OVERLOAD_DISCONNECTED)
    if (overload === 'block' && isSlow) count(this.#figures, FIGURE.holds, 1)
  }

  /**
   * The next slab for the sink, whose `contents` must not change until {@link settle} answers for it. With `partial` also
   * what is not a full slab. Null: nothing to write.
   */
  take(partial: boolean): Slab | null {
    return this.#pool.take(partial)
  }

  /**
   * The sink's answer to the oldest {@link take} that has none: null, or why it took nothing (`write failed: ENOSPC`).
   * `memory`: for the slab's next use, as large, if its own was given away. `refused`: with a failure, the connections that alone
   * had one, by number, and which; null: all of it failed.
   */
  settle(
    failure: string | null,
    nowMs: number,
    memory: ArrayBuffer | null = null,
    refused: ReadonlyMap<number, string> | null = null,
  ): void {
    const slab = this.#pool.oldestWriting
    if (slab === null) return
    const ended = new Set<ConnectionTrack>()
    const harmed = new Set<ConnectionTrack>()
    const whyOf: WhyOf = ({ spec }) => (refused === null ? failure : (refused.get(spec.id) ?? null))
    count(this.#figures, FIGURE.writes, 1)
    this.#failing = failure !== null && refused === null
    if (failure !== null) this.#fail(failure, nowMs)
    this.#settleRuns(slab, whyOf, ended, harmed)
    for (const note of slab.notes) this.#settleNote(note, whyOf, ended)
    count(this.#figures, FIGURE.answeredBytes, slab.used)
    this.#pool.recycle(memory)
    if (failure === null) this.#recover(nowMs)
    for (const connection of ended)
      if (refused?.has(connection.spec.id)) this.#waiting.addRefused(connection)
      else this.#finish(connection)
    if (!this.#failing) this.#retryCloses()
    this.#relax(nowMs)
    if (failure !== null && this.#options.onFailure === 'disconnect')
      for (const connection of harmed) this.#disconnect(connection, whyOf(connection) ?? failure)
  }

  /** Writes the closes that wait, as far as there is room, though the last write may have failed; also those that were refused. */
  retryCloses(): void {
    this.#waiting.retryRefused()
    this.#retryCloses()
  }

  #retryCloses(): void {
    this.#waiting.retry((connection) => this.#scribe.close(connection))
  }

  /** It has begun to report a trouble whose end it has not reported. */
  get isTroubled(): boolean {
    return this.#failure.isOn || this.#overload.isOn
  }

  /** Reports what is over by now, also without traffic. `sinkWorks`: the last write to the sink, whoever's, did not fail. */
  calm(sinkWorks: boolean, nowMs: number): void {
    if (sinkWorks) this.#recover(nowMs)
    this.#relax(nowMs)
  }

  /** After {@link finish}, when all is settled: a trouble that is over by now will not come back. */
  conclude(sinkWorks: boolean): void {
    if (sinkWorks || !this.#failing) this.#recover(Number.POSITIVE_INFINITY)
  }

  /** No more is recorded: what is still seen is lost. What is buffered can still be taken and settled. */
  finish(): void {
    this.#finished = true
    for (const { upstream, downstream } of this.#redacted) {
      this.#loseRest(upstream, RECORDING_CLOSED)
      this.#loseRest(downstream, RECORDING_CLOSED)
    }
    this.#redacted.clear()
    this.#scribe.boundless = true
    this.#release()
  }

  /** Gives up what is buffered: it is lost, because of `why`. After {@link finish}. */
  abandon(why: string, nowMs: number): void {
    this.#abandoned = true
    while (this.#pool.oldestWriting !== null || this.#pool.take(true) !== null) this.settle(why, nowMs)
  }

  /** No allocation: this is done for each chunk. */
  readonly #write: Write = (stream, bytes, first, end, nowMs) => {
    if (stream.connection.isPressed) return this.#lose(stream, end - first, OVERLOAD_DROPPED)
    let from = first
    while (from < end) {
      const to = Math.min(end, from + stream.route.maxPayload)
      if (!this.#scribe.data(stream, bytes, from, to, stream.next, nowMs)) break
      stream.next += to - from
      from = to
    }
    if (from < end) this.#refuse(stream, end - from, nowMs)
  }

  /** There was no room: these bytes are lost at once. */
  #refuse(stream: StreamTrack, length: number, nowMs: number): void {
    const disconnecting = this.#options.overload === 'disconnect'
    const why = disconnecting ? OVERLOAD_DISCONNECTED : OVERLOAD_DROPPED
    this.#strain(nowMs)
    this.#lose(stream, length, why)
    this.#refused ||= disconnecting
  }

  /** Only now: a link that ends may close its connection at once, and that is no time to be within a redaction. */
  #endRefused(connection: ConnectionTrack): void {
    if (!this.#refused) return
    this.#refused = false
    this.#disconnect(connection, OVERLOAD_DISCONNECTED)
  }

  /** All that is seen and not dealt with. */
  #loseRest(stream: StreamTrack, why: string): void {
    const length = stream.ledger.seen - stream.next
    if (length === 0) return
    stream.endCut()
    this.#lose(stream, length, why)
  }

  #lose(stream: StreamTrack, length: number, why: string): void {
    count(this.#figures, FIGURE.lostBytes, length)
    stream.lose(stream.next, length, why)
    stream.next += length
  }

  #settleRuns(slab: Slab, whyOf: WhyOf, ended: Set<ConnectionTrack>, harmed: Set<ConnectionTrack>): void {
    for (let run = 0; run < slab.runs; run++) {
      const stream = slab.streams[run]
      if (stream === null || stream === undefined) continue
      const length = slab.lengths[run] ?? 0
      const failure = whyOf(stream.connection)
      if (failure === null) {
        count(this.#figures, FIGURE.storedBytes, length)
        stream.ledger.store(length)
      } else {
        count(this.#figures, FIGURE.lostBytes, length)
        stream.lose(slab.ats[run] ?? 0, length, failure)
        harmed.add(stream.connection)
      }
      this.#settled(stream.connection, ended)
    }
  }

  #settleNote(note: Note, whyOf: WhyOf, ended: Set<ConnectionTrack>): void {
    const connection = 'stream' in note ? note.stream.connection : note.connection
    const stored = whyOf(connection) === null
    if (stored && note.kind === 'close') {
      count(this.#figures, FIGURE.storedCloses, 1)
      this.#forget(connection)
    }
    if (!stored && note.kind === 'open') connection.openDue = true
    if (!stored && note.kind === 'gap') for (const range of note.ranges) note.stream.tell(range)
    if (!stored && note.kind === 'fin') note.stream.fin = 'due'
    this.#settled(connection, ended)
  }

  /** Its close has been stored, or given up. */
  #forget(connection: ConnectionTrack): void {
    connection.ending = null
    this.#options.tuples?.release(connection.ends)
  }

  #settled(connection: ConnectionTrack, ended: Set<ConnectionTrack>): void {
    connection.unsettled--
    if (connection.unsettled === 0 && connection.ending !== null) ended.add(connection)
  }

  #finish(connection: ConnectionTrack): void {
    if (this.#failing || this.#waiting.due > 0 || !this.#scribe.close(connection))
      this.#waiting.add(connection)
  }

  #disconnect(connection: ConnectionTrack, why: string): void {
    if (connection.disconnected || connection.ending !== null) return
    connection.disconnected = true
    this.#host.disconnect(connection, why)
  }

  #fail(why: string, nowMs: number): void {
    if (this.#abandoned) return
    count(this.#figures, FIGURE.writeFailures, 1)
    if (this.#failure.comes(nowMs, figure(this.#figures, FIGURE.lostBytes)))
      this.#host.report({ kind: 'write_failing', why })
  }

  #recover(nowMs: number): void {
    this.#failing = false
    // It is not over for these.
    if (this.#waiting.refused > 0) return
    const lostBytes = this.#failure.goes(nowMs, figure(this.#figures, FIGURE.lostBytes))
    if (lostBytes !== null) this.#host.report({ kind: 'write_recovered', lostBytes })
  }

  #strain(nowMs: number): void {
    if (this.#overload.comes(nowMs, figure(this.#figures, FIGURE.lostBytes)))
      this.#host.report({ kind: 'overload', policy: this.#options.overload })
  }

  #checkHigh(nowMs: number): void {
    if (this.#pool.inUse < this.#highSlabs || this.#holding || this.#options.overload !== 'block') return
    this.#holding = true
    count(this.#figures, FIGURE.holds, 1)
    this.#strain(nowMs)
    this.#host.holdAll()
  }

  #release(): void {
    if (!this.#holding) return
    this.#holding = false
    this.#host.releaseAll()
  }

  /** A slab is free again: lets the traffic go on, and ends an overload that has not come back. */
  #relax(nowMs: number): void {
    if (this.#pool.inUse > this.#lowSlabs) return
    this.#release()
    const lostBytes = this.#overload.goes(nowMs, figure(this.#figures, FIGURE.lostBytes))
    if (lostBytes === null) return
    this.#host.report({ kind: 'overload_over', policy: this.#options.overload, lostBytes })
  }
}
