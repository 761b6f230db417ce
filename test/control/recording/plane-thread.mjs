/**
 * A plane on a thread of its own, as a test wants it: takes its seat, and does what it is told. Told as
 * [name, ...arguments]; each order is answered once it is done.
 */

import { parentPort, workerData } from 'node:worker_threads'
import { startSeat } from '../../../build/control/recording/seat-recording.js'
import { EVERYTHING } from '../../../build/core/record/capture.js'

const recording = startSeat(workerData)
const taps = new Map()

const orders = {
  open(id, client, server, maxBytes) {
    taps.set(
      id,
      recording.open({ id, listener: 'one', client, server }, () => null, { ...EVERYTHING, maxBytes }),
    )
  },
  /** `count` chunks of `length` bytes, each of which begins with its number. */
  data(id, direction, count, length) {
    for (let n = 0; n < count; n++) {
      const chunk = new Uint8Array(length).fill(id)
      new DataView(chunk.buffer).setUint32(0, n)
      taps.get(id).data(chunk, direction)
    }
  },
  end: (id, reason) => taps.get(id).close(reason),
  close: (timeoutMs) => recording.close(timeoutMs),
  /** As `data`, and the thread dies before anything of it can be handed over. */
  lastWords(...args) {
    orders.data(...args)
    throw new Error('told to die')
  },
}

parentPort.on('message', async ([name, ...args]) => {
  parentPort.postMessage({ answer: await orders[name](...args) })
})
