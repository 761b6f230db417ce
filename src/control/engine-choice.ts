/** Which engine moves the bytes here, on how many threads, and why that one. */

import { isMainThread } from 'node:worker_threads'
import type { EngineName } from '../config/config.js'
import { createLinuxEngine } from '../engine/linux/engine.js'
import { createDescriptorLedger, type DescriptorLedger, MAIN_OWNER } from '../engine/linux/ffi/ledger.js'
import { createPortableEngine } from '../engine/portable/engine.js'
import { messageOf } from '../errors.js'
import type { Engine, ThreadedEngine } from '../ports/engine.js'

export type { DescriptorLedger } from '../engine/linux/ffi/ledger.js'

export type EngineChoice =
  | { readonly kind: 'alone'; readonly engine: Engine; readonly reason: string }
  /** The main thread's engine, beside which `workers` others run. */
  | {
      readonly kind: 'threaded'
      readonly engine: ThreadedEngine
      readonly ledger: DescriptorLedger
      readonly workers: number
      readonly reason: string
    }

const chooseLinux = (workers: number, reason: string): EngineChoice => {
  if (workers === 0) return { kind: 'alone', engine: createLinuxEngine(), reason }
  const ledger = createDescriptorLedger()
  const engine = createLinuxEngine({ ledger, owner: MAIN_OWNER })
  return { kind: 'threaded', engine, ledger, workers, reason }
}

const choosePortable = (reason: string): EngineChoice => ({
  kind: 'alone',
  engine: createPortableEngine(),
  reason,
})

/** Whoever started this thread may end it without asking, and koffi would end the process then (halt.ts). */
const NOT_MAIN = 'this is not the main thread: one with the linux engine must not be terminated'

/** @throws TidegateError `engine_unavailable` when just the linux engine is wanted and cannot run here. */
export const chooseEngine = (wanted: EngineName, workers: number): EngineChoice => {
  if (wanted === 'portable') return choosePortable('as configured')
  if (wanted === 'linux') return chooseLinux(workers, 'as configured')
  if (!isMainThread) return choosePortable(NOT_MAIN)
  try {
    return chooseLinux(workers, 'it runs here')
  } catch (thrown) {
    return choosePortable(messageOf(thrown))
  }
}

/** One that can lend listeners to processes: the chosen one, or another beside it. @throws TidegateError `engine_unavailable`. */
export const lendingEngine = ({ engine }: EngineChoice): Engine =>
  engine.lend === undefined ? createLinuxEngine() : engine

/** Threads beside the main one that serve connections. */
export const workersOf = (choice: EngineChoice): number => (choice.kind === 'threaded' ? choice.workers : 0)
