/**
 * A plane on a thread of its own, as a test wants it: takes its seat, and does what it is told. Told as
 * [name, ...arguments]; each order is answered with its name once it is done.
 */

import { parentPort, workerData } from 'node:worker_threads'
import { startSeat } from '../../../dist/control/recording/seat-recording.js'

const recording = startSeat(workerData)
const taps = new Map()
/** Links of this plane: held how often, and ended or not. */
const links = new Map()

const orders = {
  open(id, client, server) {
    const link = { held: 0, ended: false }
    links.set(id, link)
    const holdable = {
      hold: () => link.held++,
      release: () => link.held--,
      destroy: () => {
        link.ended = true
      },
    }
    taps.set(
      id,
      recording.open({ id, listener: 'one', client, server }, () => holdable),
    )
  },
  /** `count` chunks, each of `length` bytes that begin with their number. */
  data(id, direction, count, length) {
    for (let n = 0; n < count; n++) {
      const chunk = new Uint8Array(length).fill(id)
      new DataView(chunk.buffer).setUint32(0, n)
      taps.get(id).data(chunk, direction)
    }
  },
  end(id, reason) {
    taps.get(id).close(reason)
  },
  links: () => [...links],
  counters: () => recording.counters(),
  close: (timeoutMs) => recording.close(timeoutMs),
  die() {
    throw new Error('told to die')
  },
}

parentPort.on('message', async ([name, ...args]) => {
  parentPort.postMessage({ name, answer: await orders[name](...args) })
})
