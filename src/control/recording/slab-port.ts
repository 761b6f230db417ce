/** A plane's line to the writer thread. When that thread is gone, every slab is answered with a failure, as by a broken disk. */

import type { MessagePort } from 'node:worker_threads'
import type { Slab } from '../../core/record/slab.js'
import type { PressOrder, SlabAnswer, SlabMessage } from './seat.js'

const GONE: SlabAnswer = { failure: 'write failed: the writer thread ended', refused: null, memory: null }

export class SlabPort {
  readonly #port: MessagePort
  readonly #onAnswer: (answer: SlabAnswer) => void
  /** Slabs without an answer. The process lives on for these, not for the line. */
  #waiting = 0
  #state: 'open' | 'gone' | 'closed' = 'open'

  constructor(
    port: MessagePort,
    onAnswer: (answer: SlabAnswer) => void,
    onPress: (order: PressOrder) => void,
  ) {
    this.#port = port
    this.#onAnswer = onAnswer
    port.on('message', (news: SlabAnswer | PressOrder) => {
      if ('press' in news) onPress(news)
      else this.#answered(news)
    })
    port.on('close', () => this.#lost())
    port.unref()
  }

  get waiting(): number {
    return this.#waiting
  }

  get isOpen(): boolean {
    return this.#state === 'open'
  }

  send(slab: Slab): void {
    if (this.#waiting++ === 0) this.#port.ref()
    if (this.#state !== 'open') {
      setImmediate(() => this.#answered(GONE))
      return
    }
    const { used, payloadBytes } = slab
    const memory = slab.bytes.buffer
    const message: SlabMessage = { memory, length: used, payloadBytes }
    this.#port.postMessage(message, [memory])
  }

  /** No answer is passed on any more. */
  close(): void {
    this.#state = 'closed'
    this.#port.close()
  }

  #answered(answer: SlabAnswer): void {
    if (this.#state === 'closed' || this.#waiting === 0) return
    if (--this.#waiting === 0) this.#port.unref()
    this.#onAnswer(answer)
  }

  #lost(): void {
    if (this.#state !== 'open') return
    this.#state = 'gone'
    for (let unanswered = this.#waiting; unanswered > 0; unanswered--) this.#answered(GONE)
  }
}
