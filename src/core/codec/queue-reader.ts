/**
 * What the capture readers have in common: bytes are queued, records are taken from the queue until the next one is not all
 * here, and after damage or the end nothing more is given. How a record is taken is each reader's own state machine.
 */

import { ByteQueue } from '../bytes.js'
import type { CaptureFormat, CaptureReader, CaptureRecord, DamageRecord } from './capture.js'

export interface Done {
  readonly kind: 'done'
}

const DONE: Done = { kind: 'done' }

const isDone = (state: { readonly kind: string }): state is Done => state.kind === 'done'

/** Each `push` must be iterated to its end before the next. */
export abstract class QueueReader<State extends { readonly kind: string }> implements CaptureReader {
  abstract readonly format: CaptureFormat
  protected readonly queue = new ByteQueue()
  protected state: State | Done

  constructor(first: State) {
    this.state = first
  }

  /** The next record, or null when it is not all here. `ended`: no bytes will come after those that are here. */
  protected abstract next(ended: boolean): CaptureRecord | null

  /** What is wrong with ending in this state; null when the bytes end between two records. */
  protected abstract atEnd(state: State): DamageRecord | null

  protected damage(offset: number, message: string, torn = false): DamageRecord {
    this.state = DONE
    return { kind: 'damage', offset, message, torn }
  }

  protected *take(ended: boolean): Generator<CaptureRecord> {
    for (let record = this.next(ended); record !== null; record = this.next(ended)) yield record
  }

  *push(chunk: Uint8Array): Iterable<CaptureRecord> {
    if (isDone(this.state)) return
    this.queue.feed(chunk)
    yield* this.take(false)
    this.queue.settle()
  }

  *end(): Iterable<CaptureRecord> {
    const { state } = this
    if (isDone(state)) return
    const damage = this.atEnd(state)
    this.state = DONE
    if (damage !== null) yield damage
  }
}
