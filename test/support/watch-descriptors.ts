/** The most descriptors that a process had open, by a thread that looks thousands of times a second. */

import { readdirSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import type { Scope } from './scope.js'

/**
 * Those numbered from `line` on while few are open: whoever runs the tests has left them to all processes. The linux engine looks at
 * the numbers below its line, so they come on top.
 */
export const inheritedFrom = (pid: number, line: number): number =>
  readdirSync(`/proc/${pid}/fd`).filter((fd) => Number(fd) >= line).length

const LOOK_EVERY_MS = 0.2

/**
 * The folder's size is the number of descriptors, counted at once (Linux 6.2); reading the folder, which was the only way before,
 * may see one that is closed meanwhile and the one that is opened for it.
 */
const LOOKING = `
const { readdirSync, statSync } = require('node:fs')
const { workerData: { pid, words, everyMs } } = require('node:worker_threads')
const folder = '/proc/' + pid + '/fd'
try {
  for (;;) {
    const count = statSync(folder).size || readdirSync(folder).length
    if (count > words[0]) words[0] = count
    Atomics.add(words, 1, 1)
    Atomics.wait(words, 2, 0, everyMs)
  }
} catch {}
`

export interface DescriptorWatch {
  readonly most: number
  /** How often it has looked. */
  readonly looks: number
}

/** Looks until the scope or the process ends. */
export const watchDescriptors = (scope: Scope, pid: number): DescriptorWatch => {
  const words = new Int32Array(new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT))
  const worker = new Worker(LOOKING, { eval: true, workerData: { pid, words, everyMs: LOOK_EVERY_MS } })
  scope.defer(() => worker.terminate())
  const word = (at: number): number => Atomics.load(words, at)
  return {
    get most() {
      return word(0)
    },
    get looks() {
      return word(1)
    },
  }
}
