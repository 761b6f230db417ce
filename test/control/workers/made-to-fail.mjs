/**
 * Preloaded into every thread of a process (`--import`): lets a test make one worker fail by a message to all. In the product
 * itself there is no such door.
 */

import { BroadcastChannel, isMainThread, workerData } from 'node:worker_threads'

const isWorker = !isMainThread && typeof workerData?.planes === 'number'

if (isWorker && process.env.FAIL_AT_START) throw new Error('made to fail at its start')

if (isWorker) {
  const channel = new BroadcastChannel('made-to-fail')
  channel.onmessage = ({ data }) => {
    if (data.plane !== workerData.plane) return
    if (data.how === 'exit') process.exit(3)
    throw new Error('made to fail')
  }
  channel.unref()
}
