/**
 * Usage: node first-byte.js HOST PORT SECONDS. One client after another connects, sends a small message and leaves when it has come
 * back; prints `{"count", "p50", "p99"}` of the times from the start of connecting to the first byte, in milliseconds.
 */

import { once } from 'node:events'
import { connect } from 'node:net'

const MESSAGE = Buffer.alloc(64, 'tide')

/** Until Node has compiled what runs here, and a pool has filled; not counted. */
const WARM_UP_MS = 300

const PATIENCE_MS = 5000

const [host, port, seconds] = process.argv.slice(2) as [string, string, string]

/** Rejects if it is closed before everything has come back. */
const visit = async (): Promise<number> => {
  const began = performance.now()
  let firstByteAt = 0
  let missing = MESSAGE.length
  const socket = connect({ host, port: Number(port), noDelay: true })
  socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('no answer')))
  socket.on('data', (chunk) => {
    if (firstByteAt === 0) firstByteAt = performance.now()
    missing -= chunk.length
    if (missing <= 0) socket.destroy()
  })
  socket.write(MESSAGE)
  await once(socket, 'close')
  if (missing > 0) throw new Error('a client was closed before it had its reply')
  return firstByteAt - began
}

const times: number[] = []
const countFrom = performance.now() + WARM_UP_MS
const endAt = countFrom + Number(seconds) * 1000
try {
  while (performance.now() < endAt) {
    const isCounted = performance.now() >= countFrom
    const time = await visit()
    if (isCounted) times.push(time)
  }
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0
  console.log(JSON.stringify({ count: sorted.length, p50: at(0.5), p99: at(0.99) }))
} catch (thrown) {
  console.error(thrown instanceof Error ? thrown.message : String(thrown))
  process.exitCode = 1
}
