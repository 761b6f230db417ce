// Preloaded (NODE_OPTIONS=--import=…) into a gateway: at each SIGWINCH one of its workers throws, the next one each time.
import { BroadcastChannel, isMainThread, workerData } from 'node:worker_threads'

const channel = new BroadcastChannel('tidegate-test-failing-workers')
channel.unref()

if (isMainThread) {
  let signals = 0
  process.on('SIGWINCH', () => channel.postMessage(++signals))
} else if (typeof workerData?.plane === 'number' && workerData.ledger !== undefined) {
  const { plane, planes } = workerData
  const workers = planes - 1
  channel.onmessage = ({ data: signal }) => {
    if (((signal - 1) % workers) + 1 !== plane) return
    setImmediate(() => {
      throw new Error('thrown by the test')
    })
  }
}
