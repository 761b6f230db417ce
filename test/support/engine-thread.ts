/** A worker thread with a linux engine of its own (test/engine/linux/threads/thread.mjs), as a test drives it. */

import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Address } from '../../src/core/address.js'
import type { LedgerSeat } from '../../src/engine/linux/ffi/ledger.js'
import type { LooseSocket, SharedListener } from '../../src/ports/engine.js'
import { eventually, type Scope, within } from './scope.js'

const CODE = join(import.meta.dirname, '../engine/linux/threads/thread.mjs')

export type Mode = 'hold' | 'echo' | 'relay' | 'release' | 'greet'

export interface ThreadOptions {
  readonly seat?: LedgerSeat
  readonly listener?: SharedListener
  readonly mode?: Mode
  readonly upstream?: Address
}

interface Message {
  readonly done?: string
  readonly accepted?: number
  readonly received?: number
  readonly ended?: string
  readonly read?: Uint8Array
  readonly loose?: LooseSocket | null
}

export class EngineThread {
  readonly worker: Worker
  /** The clients' ports, in order. */
  readonly accepted: number[] = []
  readonly received: number[] = []
  readonly ended: string[] = []
  readonly read: Uint8Array[] = []
  readonly loose: (LooseSocket | null)[] = []
  readonly errors: Error[] = []
  readonly #done: string[] = []
  readonly #exit: Promise<number>

  constructor(options: ThreadOptions) {
    const { seat = null, listener = null, mode = 'hold', upstream = null } = options
    this.worker = new Worker(CODE, { workerData: { seat, listener, mode, upstream } })
    this.worker.on('message', (message: Message) => this.#note(message))
    this.worker.on('error', (error: Error) => this.errors.push(error))
    this.#exit = new Promise((resolve) => this.worker.once('exit', resolve))
  }

  /** Resolves with the exit code. */
  exited(deadlineMs?: number): Promise<number> {
    return within(deadlineMs ?? 5000, 'the thread has ended', this.#exit)
  }

  /** Idempotent, and harmless after a death. */
  async end(): Promise<void> {
    this.tell('end')
    await this.exited()
  }

  tell(command: string, more: object = {}): void {
    this.worker.postMessage({ do: command, ...more })
  }

  async ask(command: string, more: object = {}): Promise<void> {
    this.tell(command, more)
    await this.did(command)
  }

  async did(command: string): Promise<void> {
    await eventually(`the thread did ${command}`, () => this.#done.includes(command))
    this.#done.splice(this.#done.indexOf(command), 1)
  }

  #note(message: Message): void {
    if (message.done !== undefined) this.#done.push(message.done)
    if (message.accepted !== undefined) this.accepted.push(message.accepted)
    if (message.received !== undefined) this.received.push(message.received)
    if (message.ended !== undefined) this.ended.push(message.ended)
    if (message.read !== undefined) this.read.push(message.read)
    if (message.loose !== undefined) this.loose.push(message.loose)
  }
}

/** Started and ready; ends with `scope` at the latest. */
export const startThread = async (scope: Scope, options: ThreadOptions = {}): Promise<EngineThread> => {
  const thread = new EngineThread(options)
  scope.defer(() => thread.end())
  await thread.did('start')
  return thread
}
