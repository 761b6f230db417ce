/**
 * A process with two threads that are kept busy, and that ends as its argument says. Prints `ready` when the load runs.
 */

import { once } from 'node:events'
import { connect } from 'node:net'
import { Worker } from 'node:worker_threads'
import { createLinuxEngine } from '../../../../build/engine/linux/engine.js'
import { createDescriptorLedger } from '../../../../build/engine/linux/ffi/ledger.js'
import { haltEngine, haltEnginesAtExit } from '../../../../build/engine/linux/halt.js'
import { closeDescriptorsOf } from '../../../../build/engine/linux/left-open.js'

const CLIENTS = 16
/** So many exchanges, and everybody is busy. */
const WARM = 200

const ledger = createDescriptorLedger()
const main = createLinuxEngine({ ledger, owner: 0 })
const listener = await main.bind({ address: { kind: 'tcp', host: '127.0.0.1', port: 0 } })
haltEnginesAtExit(ledger)

const startWorker = async (owner) => {
  const worker = new Worker(new URL('thread.mjs', import.meta.url), {
    workerData: { seat: { ledger, owner }, listener, mode: 'echo', upstream: null },
  })
  await once(worker, 'message')
  return worker
}

const workers = [await startWorker(1), await startWorker(2)]

const ways = {
  exit: () => process.exit(4),
  throw: () => {
    throw new Error('made to throw')
  },
  turn: () => {
    // From inside a turn of the main thread's own engine.
    main.accept(listener, () => process.exit(4))
    for (const worker of workers) worker.postMessage({ do: 'pause' })
    setInterval(() => connect(listener.address.port, '127.0.0.1').on('error', () => {}), 5)
  },
  terminate: async () => {
    for (const owner of [1, 2]) {
      if (!haltEngine(ledger, owner)) throw new Error('not halted')
      await workers[owner - 1].terminate()
      if (closeDescriptorsOf(ledger, owner) === 0) throw new Error('nothing was left')
    }
    process.exitCode = 4
    main.unbind(listener)
    await main.close()
  },
  workerExit: async () => {
    for (const worker of workers) worker.postMessage({ do: 'exit' })
    await Promise.all(workers.map((worker) => once(worker, 'exit')))
    process.exit(4)
  },
  signal: () => {},
}

let exchanges = 0
const exchanged = () => {
  if (++exchanges !== WARM) return
  console.log('ready')
  setImmediate(ways[process.argv[2]])
}

for (let i = 0; i < CLIENTS; i++) {
  const client = connect(listener.address.port, '127.0.0.1', () => client.write('x'))
  client.on('error', () => {})
  client.on('data', (chunk) => {
    exchanged()
    client.write(chunk)
  })
}
