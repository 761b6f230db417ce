/** A sink that stores in memory, with faults that a test asks for; and ways in which a sink can be wrong. */

import type { Sink, SinkRecord } from '../../src/ports/sink.js'
import type { SinkPlace } from '../../src/testing/index.js'

/** The right one appends whole batches, and repeats what comes again. */
export type Flaw =
  | 'none'
  | 'drops a record now and then'
  | 'reorders within a batch'
  | 'acknowledges before it has stored'
  | 'acknowledges what it could not store'
  | 'refuses what came before'
  | 'takes the latest opening'
  | 'counts positions in 32 bits'
  | 'stores cut bytes as lost'
  | 'loses the ledger'
  | 'stores a view of a larger memory whole'
  | 'mixes up runs'
  | 'cannot be opened again'
  | 'cannot be closed twice'
  | 'shows its password'
  | 'changes what it is given'
  | 'forgets all at a failure'

const SECRET = 'hunter2'

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export class MemoryPlace implements SinkPlace {
  readonly records: SinkRecord[] = []
  readonly known = new Set<string>()
  readonly secrets = [SECRET]
  readonly flaw: Flaw
  breaks = false
  stalled: Promise<void> | null = null

  constructor(flaw: Flaw = 'none') {
    this.flaw = flaw
  }

  connect(): Sink {
    return new MemorySink(this)
  }

  async stored(): Promise<readonly SinkRecord[]> {
    const isRight = this.flaw !== 'takes the latest opening'
    return isRight ? [...this.records] : latestOpenings(this.records)
  }

  breakNext(): void {
    this.breaks = true
  }

  async stall(): Promise<() => void> {
    let goOn = (): void => {}
    this.stalled = new Promise((resolve) => {
      goOn = () => {
        this.stalled = null
        resolve()
      }
    })
    return () => goOn()
  }

  close(): void {}
}

const latestOpenings = (records: readonly SinkRecord[]): readonly SinkRecord[] =>
  records.map((record) =>
    record.kind === 'open'
      ? (records.findLast(
          (each) =>
            each.kind === 'open' &&
            each.connection === record.connection &&
            each.recording === record.recording,
        ) ?? record)
      : record,
  )

class MemorySink implements Sink {
  readonly where: string
  readonly #place: MemoryPlace
  #isOpen = false
  #closes = 0
  #opens = 0
  #count = 0

  constructor(place: MemoryPlace) {
    this.#place = place
    this.where = place.flaw === 'shows its password' ? `memory://user:${SECRET}@here` : 'memory://here'
  }

  async open(): Promise<void> {
    await nextTurn()
    if (this.#place.flaw === 'cannot be opened again' && this.#opens++ > 0) throw new Error('open already')
    this.#place.breaks = false
    this.#isOpen = true
  }

  async write(batch: readonly SinkRecord[], signal: AbortSignal): Promise<void> {
    const { flaw, records } = this.#place
    if (!this.#isOpen) throw new Error('not open')
    if (signal.aborted) throw this.#broken()
    if (this.#place.stalled !== null) await this.#wait(this.#place.stalled, signal)
    if (flaw === 'refuses what came before') this.#refuseKnown(batch)
    const stored = this.#flawed(batch)
    if (flaw === 'acknowledges before it has stored') {
      setTimeout(() => records.push(...stored), 20)
      return
    }
    await nextTurn()
    if (!this.#place.breaks) {
      records.push(...stored)
      return
    }
    this.#place.breaks = false
    if (flaw === 'forgets all at a failure') records.length = 0
    records.push(...stored.slice(0, Math.floor(stored.length / 2)))
    if (flaw !== 'acknowledges what it could not store') throw this.#broken()
  }

  async close(): Promise<void> {
    if (this.#place.flaw === 'cannot be closed twice' && this.#closes++ > 0) throw new Error('closed already')
    this.#isOpen = false
  }

  #broken(): Error {
    this.#isOpen = false
    return new Error('the connection is broken')
  }

  async #wait(stalled: Promise<void>, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(this.#broken()))
      void stalled.then(resolve)
    })
  }

  #refuseKnown(batch: readonly SinkRecord[]): void {
    for (const record of batch) {
      if (this.#place.known.has(text(record))) throw new Error('duplicate key')
      this.#place.known.add(text(record))
    }
  }

  #flawed(batch: readonly SinkRecord[]): readonly SinkRecord[] {
    switch (this.#place.flaw) {
      case 'drops a record now and then':
        return batch.filter(() => this.#count++ % 10 !== 9)
      case 'reorders within a batch':
        return batch.toReversed()
      case 'counts positions in 32 bits':
        return batch.map((record) => ('at' in record ? { ...record, at: record.at >>> 0 } : record))
      case 'stores cut bytes as lost':
        return batch.map((record) => (record.kind === 'gap' ? { ...record, cut: false } : record))
      case 'loses the ledger':
        return batch.map((record) =>
          record.kind === 'close' ? { ...record, upstream: { ...record.upstream, lost: [] } } : record,
        )
      case 'stores a view of a larger memory whole':
        return batch.map((record) =>
          record.kind === 'data' ? { ...record, bytes: new Uint8Array(record.bytes.buffer) } : record,
        )
      case 'mixes up runs':
        return batch.map((record) => ({ ...record, recording: 'the only one' }))
      case 'changes what it is given':
        for (const record of batch) if (record.kind === 'data') record.bytes.reverse()
        return batch
      default:
        return batch
    }
  }
}

const text = (record: SinkRecord): string =>
  JSON.stringify(record, (key, value: unknown) =>
    key === 'bytes' ? null : typeof value === 'bigint' ? String(value) : value,
  )
