/**
 * An address on this machine that never answers a SYN. A thread listens with the shortest backlog and then blocks, so
 * that nobody accepts; once the queue is full the kernel drops what comes (Linux, BSD, macOS; Windows refuses instead).
 */

import { Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import type { Address } from '../../core/address.js'
import { deferred, until, untilStill, within } from '../wait.js'
import type { Scene } from './scene.js'

const BLOCKED_LISTENER = `
const { parentPort, workerData } = require('node:worker_threads')
const server = require('node:net').createServer((socket) => socket.destroy())
server.listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
  parentPort.postMessage(server.address().port)
  Atomics.wait(workerData, 0, 0)
  server.close()
})
`

/** More than any kernel queues for a backlog of 1. */
const FILLERS = 8

/** A connection on loopback that is going to be queued is so at once. */
const QUEUED_WITHIN_MS = 100

export const blackHole = async (scene: Scene): Promise<Address> => {
  const gate = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(BLOCKED_LISTENER, { eval: true, workerData: gate })
  const port = deferred<number>()
  worker.once('message', port.resolve)
  worker.once('error', port.reject)
  scene.onClose(async () => {
    Atomics.store(gate, 0, 1)
    Atomics.notify(gate, 0)
    await worker.terminate()
  })
  const address: Address = {
    kind: 'tcp',
    host: '127.0.0.1',
    port: await within(port.promise, 'the thread listens'),
  }
  let queued = 0
  for (let i = 0; i < FILLERS; i++) {
    const socket = new Socket()
    scene.peer(socket)
    socket.once('connect', () => queued++)
    socket.connect({ host: address.host, port: address.port })
  }
  await until(() => queued > 0, 'the first connection is queued')
  await untilStill(() => queued, QUEUED_WITHIN_MS, 'the queue is full')
  return address
}
