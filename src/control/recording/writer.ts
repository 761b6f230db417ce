/**
 * Writes what all planes of a gateway hand over, one slab after the other: those of a plane in the order it sent them,
 * those of several as they come.
 */

import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { errnoOf, messageOf, TidegateError } from '../../errors.js'
import type { Refusal, Store } from '../../ports/store.js'
import { type PressOrder, SEAT_CELL, type SlabAnswer, type SlabMessage, WRITER_CELL } from './seat.js'

/** What the writer is told of a seat. */
export interface WriterSeat {
  readonly slabs: MessagePort
  readonly cells: Float64Array
}

type Work =
  | { readonly kind: 'slab'; readonly owner: number; readonly seat: WriterSeat; readonly slab: SlabMessage }
  | { readonly kind: 'left'; readonly owner: number; readonly onLeft: () => void }

const systemNameOf = (error: unknown): string | undefined =>
  error instanceof TidegateError ? error.errno : errnoOf(error)

const failureOf = (error: unknown): string => `write failed: ${systemNameOf(error) ?? messageOf(error)}`

interface Outcome extends Pick<SlabAnswer, 'failure' | 'refused'> {
  readonly refusedBytes: number
}

const STORED: Outcome = { failure: null, refused: null, refusedBytes: 0 }

const failedBy = (error: unknown): Outcome => ({ ...STORED, failure: failureOf(error) })

const refusedBy = ({ connections, payloadBytes }: Refusal): Outcome => {
  const refused = new Map([...connections].map(([connection, error]) => [connection, failureOf(error)]))
  const [failure = null] = refused.values()
  return { failure, refused, refusedBytes: payloadBytes }
}

export class Writer {
  readonly #store: Store
  readonly #state: Int32Array
  readonly #seats = new Map<number, WriterSeat>()
  /** What waits for a write that takes its time. */
  readonly #queue: Work[] = []
  #writing = false
  #closed = false

  /** @param state shared; see {@link WRITER_CELL}. */
  constructor(store: Store, state: Int32Array) {
    this.#store = store
    this.#state = state
  }

  /** Writes what comes from this seat; `owner` is its name. */
  serve(owner: number, seat: WriterSeat): void {
    this.#seats.set(owner, seat)
    seat.slabs.on('message', (slab: SlabMessage) => this.#do({ kind: 'slab', owner, seat, slab }))
  }

  /** The seat's other side is gone. `onLeft` is called when all that it had sent is done with. */
  leave(owner: number, onLeft: () => void): void {
    const seat = this.#seats.get(owner)
    this.#seats.delete(owner)
    if (seat !== undefined) {
      for (let last = receiveMessageOnPort(seat.slabs); last; last = receiveMessageOnPort(seat.slabs))
        this.#do({ kind: 'slab', owner, seat, slab: last.message })
      seat.slabs.close()
    }
    this.#do({ kind: 'left', owner, onLeft })
  }

  /** Tells a seat before it has the slab back that is just being written: so what still comes is at most what it has in others. */
  press(owner: number, order: PressOrder): void {
    this.#seats.get(owner)?.slabs.postMessage(order)
  }

  /** Gives up what is not written yet, and everybody who may still send. The store may take `timeoutMs` for what it still has to do. */
  async close(timeoutMs: number): Promise<void> {
    this.#closed = true
    this.#queue.length = 0
    for (const { slabs } of this.#seats.values()) slabs.close()
    await this.#store.close(timeoutMs)
  }

  #do(work: Work): void {
    if (this.#closed) return
    if (this.#writing) this.#queue.push(work)
    else this.#begin(work)
  }

  #begin(work: Work): void {
    if (work.kind === 'left') {
      this.#store.left?.(work.owner)
      return work.onLeft()
    }
    const { owner, seat, slab } = work
    try {
      const written = this.#store.write(new Uint8Array(slab.memory, 0, slab.length), owner)
      if (!(written instanceof Promise))
        return this.#answer(seat, slab, written ? refusedBy(written) : STORED)
      this.#writing = true
      written.then(
        (late) => this.#finish(seat, slab, late ? refusedBy(late) : STORED),
        (error: unknown) => this.#finish(seat, slab, failedBy(error)),
      )
    } catch (error) {
      this.#answer(seat, slab, failedBy(error))
    }
  }

  #finish(seat: WriterSeat, slab: SlabMessage, outcome: Outcome): void {
    this.#writing = false
    this.#answer(seat, slab, outcome)
    while (!this.#writing) {
      const next = this.#queue.shift()
      if (next === undefined) return
      this.#begin(next)
    }
  }

  #answer({ slabs, cells }: WriterSeat, { memory, payloadBytes }: SlabMessage, outcome: Outcome): void {
    const { failure, refused } = outcome
    const { writtenBytes } = SEAT_CELL
    if (failure === null || refused !== null)
      cells[writtenBytes] = (cells[writtenBytes] ?? 0) + payloadBytes - outcome.refusedBytes
    Atomics.store(this.#state, WRITER_CELL.failing, failure === null ? 0 : 1)
    const answer: SlabAnswer = { failure, refused, memory }
    slabs.postMessage(answer, [memory])
  }
}
