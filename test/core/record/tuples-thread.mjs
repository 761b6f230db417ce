/**
 * Claims the same few ends as other threads, over and over. Whoever has them marks a cell of its own for them; two marks
 * at a time would be two that have the same.
 */

import { parentPort, workerData } from 'node:worker_threads'
import { Tuples } from '../../../build/core/record/tuples.js'

const ROUNDS = 20_000
const PORTS = 4
const FIRST_PORT = 5000

const { memory, owner, held } = workerData
const tuples = new Tuples(memory, owner)
const marks = new Int32Array(held)

const server = { words: [0x0a000001], port: 6379 }
const ends = (port) => ({ version: 4, client: { words: [0x7f000001], port }, server })

let verdict = 'never shared'
for (let round = 0; round < ROUNDS; round++) {
  const had = tuples.claim(ends(FIRST_PORT + (round % PORTS)))
  const { port } = had.client
  if (Atomics.add(marks, port, 1) !== 0) verdict = `port ${port} was shared in round ${round}`
  Atomics.sub(marks, port, 1)
  tuples.release(had)
}
parentPort.postMessage(verdict)
