/** A spool in a folder: a recorder that fills it, a sink in memory that takes what is delivered, and what is said of it. */

import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { encodeSectionStart } from '../../../src/core/codec/pcapng/writer.js'
import type { Direction } from '../../../src/core/direction.js'
import { encodeRecordingComment } from '../../../src/core/record/annotation.js'
import { nodeClock } from '../../../src/pools/node-clock.js'
import type { DataRecord, Sink, SinkRecord } from '../../../src/ports/sink.js'
import { STORE_FIGURE, STORE_FIGURES, type StoreHost } from '../../../src/ports/store.js'
import type { Durability } from '../../../src/sinks/file/durability.js'
import { NO_FLOOR } from '../../../src/sinks/file/free-space.js'
import { Delivery } from '../../../src/sinks/spool/delivery.js'
import { openSpoolDir, type SpoolDir } from '../../../src/sinks/spool/spool-dir.js'
import { SpoolStore } from '../../../src/sinks/spool/spool-store.js'
import { Harness, streamNumber } from '../../core/record/harness.js'
import { pattern } from '../../core/record/parse.js'

export const MIB = 1024 * 1024

export const tempFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-spool-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export interface RunOptions {
  readonly maxBytes?: number
  readonly recording?: string
  readonly durability?: Durability
  /** Delivers nothing: as when the gateway is killed before it does. */
  readonly undelivered?: boolean
}

/** One run of a gateway, as far as its spool goes. */
export class SpoolRun {
  readonly harness = new Harness({ maxBufferedBytes: 64 * MIB })
  readonly said: { readonly level: string; readonly message: string }[] = []
  readonly figures = new Float64Array(STORE_FIGURES)
  readonly store: SpoolStore
  readonly delivery: Delivery
  readonly #dir: SpoolDir

  private constructor(dir: SpoolDir, sink: Sink, options: RunOptions) {
    const { maxBytes = 64 * MIB, recording = 'run-1', durability, undelivered = false } = options
    const { left, next } = dir
    const host: StoreHost = {
      figures: this.figures,
      log: (level, _, message) => void this.said.push({ level, message }),
    }
    this.#dir = dir
    this.delivery = new Delivery({
      dir: dir.dir,
      left,
      sink,
      host,
      clock: nodeClock,
      order: (order) => this.store.heard(order),
    })
    this.store = new SpoolStore({
      dir: dir.dir,
      where: sink.where,
      maxBytes,
      left,
      next,
      durability: durability ?? { sync: 'never', intervalMs: 0 },
      floor: NO_FLOOR,
      clock: nodeClock,
      sectionStart: encodeSectionStart(
        'tidegate test',
        ['one', 'two'].map((name) => ({ linkType: 101, name, description: '' })),
        encodeRecordingComment(recording),
      ),
      sequenceSalt: 1,
      host,
      tell: (news) => {
        if (!undelivered) this.delivery.heard(news)
      },
    })
  }

  static async open(folder: string, sink: Sink, options: RunOptions = {}): Promise<SpoolRun> {
    const dir = await openSpoolDir(folder)
    const run = new SpoolRun(dir, sink, options)
    onTestFinished(() => dir.release())
    if (options.undelivered !== true) await run.delivery.start()
    return run
  }

  /** Hands over what the recorder has; resolves when all of it is written or refused. */
  async flush(): Promise<void> {
    for (
      let slab = this.harness.recorder.take(true);
      slab !== null;
      slab = this.harness.recorder.take(true)
    ) {
      const failure = await this.write(slab.contents)
      this.harness.recorder.settle(failure, this.harness.nowMs)
    }
  }

  async write(bytes: Uint8Array): Promise<string | null> {
    try {
      await this.store.write(bytes)
      return null
    } catch (error) {
      return String(error)
    }
  }

  async close(timeoutMs = 10_000): Promise<void> {
    await this.store.close()
    await this.delivery.close(timeoutMs)
    this.release()
  }

  /** As the kernel does for a process that was killed. */
  release(): void {
    this.#dir.release()
  }

  get spooledBytes(): number {
    return this.figures[STORE_FIGURE.spooledBytes] ?? 0
  }

  get deliveredRecords(): number {
    return this.figures[STORE_FIGURE.deliveredRecords] ?? 0
  }

  get deliveryFailures(): number {
    return this.figures[STORE_FIGURE.deliveryFailures] ?? 0
  }

  messages(level: string): readonly string[] {
    return this.said.filter((each) => each.level === level).map(({ message }) => message)
  }
}

export const filesIn = (folder: string): readonly string[] => readdirSync(folder).sort()

const isData = (record: SinkRecord): record is DataRecord => record.kind === 'data'

export const dataOf = (records: readonly SinkRecord[], recording: string, id: number, direction: Direction) =>
  records
    .filter(isData)
    .filter((each) => each.recording === recording && each.connection === id && each.direction === direction)

/**
 * What of one direction is there, as `[from, to)` ranges, repetitions passed over.
 * @throws Error when bytes are not those of the harness at their position.
 */
export const rangesOf = (
  records: readonly SinkRecord[],
  recording: string,
  id: number,
  direction: Direction,
): readonly (readonly [number, number])[] => {
  const ranges: [number, number][] = []
  const sorted = dataOf(records, recording, id, direction).toSorted((a, b) => a.at - b.at)
  for (const { at, bytes } of sorted) {
    const right = pattern(streamNumber(id, direction), at, bytes.length)
    if (Buffer.compare(bytes, right) !== 0) throw new Error(`other bytes at ${at} of ${id} ${direction}`)
    const last = ranges.at(-1)
    if (last !== undefined && at <= last[1]) last[1] = Math.max(last[1], at + bytes.length)
    else ranges.push([at, at + bytes.length])
  }
  return ranges
}
