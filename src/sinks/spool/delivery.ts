/**
 * Delivers a spool's segments to a sink, in order, and removes each once the sink has all of it: so a record is delivered at
 * least once, and in memory there is one batch.
 */

import { rename, unlink } from 'node:fs/promises'
import type { Clock } from '../../core/pool/clock.js'
import { errnoOf, messageOf } from '../../errors.js'
import type { Sink } from '../../ports/sink.js'
import { STORE_FIGURE, type StoreHost } from '../../ports/store.js'
import { Bell } from './bell.js'
import { Courier } from './courier.js'
import { Removals } from './removals.js'
import { type BatchLimits, SegmentReader } from './segment-reader.js'
import { damagedPath, type LeftSegment, segmentPath } from './segments.js'
import type { SpoolNews, SpoolOrder } from './talk.js'

export interface DeliveryOptions {
  readonly dir: string
  readonly sink: Sink
  /** Of earlier runs: delivered first. */
  readonly left: readonly LeftSegment[]
  readonly host: StoreHost
  readonly clock: Clock
  readonly order: (order: SpoolOrder) => void
  /** Default: {@link BATCH}. */
  readonly limits?: BatchLimits
}

/** A COPY or an insert of this size costs nothing to speak of beside its bytes, and memory holds it several times over. */
const BATCH: BatchLimits = { records: 10_000, bytes: 4 * 1024 * 1024 }

/** A sink that does not answer at the start may just be slow: the gateway does not wait for it any longer, ms. */
const START_WAIT_MS = 5000
/** For a sink that was told to give up, to do so; and to close, ms. */
const GIVE_UP_WAIT_MS = 1000
/** Delivered segments are not removed while they may still grow; so much at most then stays for no reason. */
const CAUGHT_UP_BYTES = 1024 * 1024
/** …or for as long as this after the last record, ms. */
const CAUGHT_UP_MS = 1000
/** A segment that cannot be read (no descriptor left) is tried again, ms. */
const READ_RETRY_MS = 1000
/** As is, while nothing else comes, one that is delivered but cannot be removed, ms. */
const REMOVE_RETRY_MS = 1000

interface Segment {
  readonly number: number
  end: number
  sealed: boolean
  readonly isLeft: boolean
}

export class Delivery {
  readonly #options: DeliveryOptions
  readonly #courier: Courier
  readonly #bell: Bell
  /** Oldest first; the last may still grow. */
  readonly #segments: Segment[]
  readonly #removals: Removals<Segment>
  /** Of all segments. */
  #bytes: number
  #isOver = false
  /** Nobody waits for it any more. */
  #stopped = false
  #running: Promise<void> | null = null
  #closing: Promise<void> | null = null

  constructor(options: DeliveryOptions) {
    const { dir, sink, host, clock, left } = options
    this.#options = options
    this.#courier = new Courier({ sink, dir, host, clock })
    this.#bell = new Bell(clock)
    this.#removals = new Removals(host, (segment) => this.#removed(segment))
    this.#bytes = left.reduce((sum, { bytes }) => sum + bytes, 0)
    this.#segments = left.map(({ number, bytes }) => ({ number, end: bytes, sealed: true, isLeft: true }))
  }

  /**
   * Opens the sink and starts delivering. A sink that is not there is no error: records wait for it.
   * @throws TidegateError (rejects) what the sink says is the user's to mend; it is closed then.
   */
  async start(): Promise<void> {
    const { host, dir, clock, sink } = this.#options
    try {
      if (!(await within(this.#courier.start(), START_WAIT_MS, clock))) this.#courier.isLate()
    } catch (error) {
      await this.#courier.close()
      throw error
    }
    this.#count()
    const bytes = this.#bytes
    if (bytes > 0) host.log('info', { dir, bytes }, `${bytes} bytes of an earlier run are delivered first`)
    this.#running = this.#run().catch((error: unknown) => {
      const why = messageOf(error)
      host.log('error', { dir, why }, `nothing more is delivered to '${sink.where}': ${why}`)
    })
  }

  /** What the other end has to say. */
  heard(news: SpoolNews): void {
    if (news.kind === 'over') this.#over()
    else {
      const segment = this.#segmentOf(news.segment)
      this.#bytes += news.end - segment.end
      segment.end = news.end
      segment.sealed = news.kind === 'sealed'
    }
    this.#count()
    this.#bell.ring()
  }

  /**
   * Delivers what is there, for `timeoutMs` at most: the rest stays where it is, for the next start. A sink that is away then is
   * tried twice more. Idempotent.
   */
  close(timeoutMs: number): Promise<void> {
    this.#closing ??= this.#close(timeoutMs)
    return this.#closing
  }

  async #close(timeoutMs: number): Promise<void> {
    const { clock, host, dir, sink } = this.#options
    this.#over()
    this.#bell.ring()
    this.#courier.hurry()
    const running = this.#running ?? Promise.resolve()
    if (!(await within(running, timeoutMs, clock))) {
      this.#stopped = true
      this.#courier.abort()
      this.#bell.ring()
      await within(running, GIVE_UP_WAIT_MS, clock)
    }
    const bytes = this.#bytes
    if (bytes > 0)
      host.log(
        'warn',
        { dir, bytes },
        `${bytes} bytes for '${sink.where}' wait in '${dir}': they are delivered at the next start`,
      )
    await within(this.#courier.close(), GIVE_UP_WAIT_MS, clock)
  }

  #count(): void {
    this.#options.host.figures[STORE_FIGURE.spooledBytes] = this.#bytes
  }

  #over(): void {
    this.#isOver = true
    for (const segment of this.#segments) segment.sealed = true
  }

  #segmentOf(number: number): Segment {
    const last = this.#segments.at(-1)
    if (last?.number === number) return last
    const next = { number, end: 0, sealed: false, isLeft: false }
    this.#segments.push(next)
    return next
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const segment = this.#segments[0]
      if (segment === undefined && this.#isOver) return
      if (segment === undefined) await this.#bell.heard(this.#removals.areStuck ? REMOVE_RETRY_MS : null)
      else if (await this.#deliver(segment)) this.#segments.shift()
      await this.#removals.retry()
    }
  }

  /** It is on the disk no more. */
  #removed({ number, end }: Segment): void {
    this.#bytes -= end
    this.#count()
    this.#options.order({ kind: 'removed', segment: number })
  }

  /** True once all of it is delivered. */
  async #deliver(segment: Segment): Promise<boolean> {
    const { dir, limits = BATCH } = this.#options
    const reader = await this.#reading(segment, () =>
      openUnlessGone(segmentPath(dir, segment.number), limits),
    )
    if (reader === null) return false
    if (reader === 'gone') return this.#passOver(segment)
    try {
      if (!(await this.#deliverAll(segment, reader))) return false
      await this.#remove(segment, reader)
    } finally {
      await reader.close()
    }
    return true
  }

  /** Somebody removed it: what was in it is lost. One that is still written is completed first, as that is lost as well. */
  async #passOver(segment: Segment): Promise<boolean> {
    const { host, dir } = this.#options
    while (!segment.sealed && !this.#stopped) {
      this.#options.order({ kind: 'caughtUp', segment: segment.number, end: segment.end })
      await this.#bell.heard()
    }
    const path = segmentPath(dir, segment.number)
    const bytes = segment.end
    host.log(
      'error',
      { path, bytes },
      `'${path}' was removed by somebody: its ${bytes} bytes are not delivered`,
    )
    this.#removed(segment)
    return true
  }

  async #deliverAll(segment: Segment, reader: SegmentReader): Promise<boolean> {
    let finished = false
    while (!this.#stopped) {
      const { end, sealed } = segment
      const batch = await this.#reading(segment, () => reader.next(end))
      if (batch === null) return false
      if (batch.length > 0) {
        if (!(await this.#courier.bring(batch))) return this.#stop()
      } else if (finished) return true
      else if (sealed) {
        reader.finish()
        finished = true
      } else if (end === segment.end && !segment.sealed) await this.#caughtUp(segment)
    }
    return false
  }

  #stop(): false {
    this.#stopped = true
    return false
  }

  /** What cannot be read just now is tried again; null: it was given up. */
  async #reading<T>(segment: Segment, read: () => Promise<T>): Promise<T | null> {
    const { host, dir } = this.#options
    for (let said = false; !this.#stopped; ) {
      try {
        return await read()
      } catch (error) {
        const path = segmentPath(dir, segment.number)
        const why = errnoOf(error) ?? messageOf(error)
        if (!said)
          host.log('error', { path, why }, `'${path}' cannot be read, so nothing is delivered: ${why}`)
        said = true
        if (this.#isOver) this.#stop()
        else await this.#bell.heard(READ_RETRY_MS)
      }
    }
    return null
  }

  /** Everything is delivered. The segment is completed, so that it can be removed, once that is worth it. */
  async #caughtUp(segment: Segment): Promise<void> {
    const { number, end } = segment
    if (end < CAUGHT_UP_BYTES && (await this.#bell.heard(CAUGHT_UP_MS))) return
    if (end !== segment.end || segment.sealed || this.#isOver) return
    this.#options.order({ kind: 'caughtUp', segment: number, end })
    await this.#bell.heard()
  }

  async #remove(segment: Segment, reader: SegmentReader): Promise<void> {
    const { host, dir } = this.#options
    const path = segmentPath(dir, segment.number)
    const { damage, ignored } = reader
    if (ignored > 0) host.log('warn', { path, ignored }, `'${path}' has ${ignored} records of no connection`)
    if (damage !== null && !damage.torn) {
      const { offset, message } = damage
      const kept = damagedPath(dir, segment.number)
      host.log(
        'error',
        { path: kept, offset },
        `'${path}' is damaged and was not delivered from byte ${offset} on: ${message}`,
      )
      return this.#removals.remove(segment, path, () => rename(path, kept))
    }
    if (damage !== null && segment.isLeft) {
      const cutBytes = segment.end - damage.offset
      host.log('warn', { path, cutBytes }, 'the spool ended in a torn block, which was cut off')
    }
    await this.#removals.remove(segment, path, () => unlink(path))
  }
}

const openUnlessGone = async (path: string, limits: BatchLimits): Promise<SegmentReader | 'gone'> => {
  try {
    return await SegmentReader.open(path, limits)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 'gone'
    throw error
  }
}

/** Whether it settled well in that time. Rejects if it does so in time. */
const within = (work: Promise<void>, timeoutMs: number, clock: Clock): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const cancel = clock.after(timeoutMs, () => resolve(false))
    work.then(
      () => {
        cancel()
        resolve(true)
      },
      (error: unknown) => {
        cancel()
        reject(error)
      },
    )
  })
