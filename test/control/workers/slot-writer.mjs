/** Writes connections into a few slots as fast as it can, every figure of each made out of its number. */

import { parentPort } from 'node:worker_threads'
import { LiveTable } from '../../../build/control/workers/live-slots.js'

const SLOTS = 4
const table = new LiveTable((page) => parentPort.postMessage(page))
const slots = []

const add = (id) => {
  const port = id % 65_536
  const slot = table.add({
    id,
    listener: 0,
    client: { kind: 'tcp', host: `client-${id}`, port },
    state: 'linked',
    upstream: { kind: 'tcp', host: `upstream-${id}`.repeat((id % 5) + 1), port },
    startedAt: id * 2,
    acceptedAt: id,
  })
  table.bytes(slot, id * 3, id * 5)
  slots.push(slot)
}

let id = 2 ** 31
const turn = () => {
  for (let i = 0; i < 1000; i++) {
    add(id++)
    if (slots.length > SLOTS) table.remove(slots.shift())
  }
  setImmediate(turn)
}
turn()
