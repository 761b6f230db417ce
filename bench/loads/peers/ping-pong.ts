/**
 * Usage: node ping-pong.js PORT SECONDS. Sends a small message over one connection, waits for it to come back, sends the next;
 * prints `{"count", "p50", "p99"}` of the round trips in microseconds.
 */

import { connect } from 'node:net'

const MESSAGE = Buffer.alloc(64, 'tide')

/** Until Node has compiled what runs here; not counted. */
const WARM_UP_MS = 200

/** Room for more round trips a second than loopback allows. */
const MOST_PER_SECOND = 200_000

const [port, seconds] = process.argv.slice(2).map(Number) as [number, number]
const times = new Float64Array(Math.ceil(seconds * MOST_PER_SECOND))
let count = 0
let missing = MESSAGE.length
let sentAt = 0
const countFrom = performance.now() + WARM_UP_MS
const endAt = countFrom + seconds * 1000

const socket = connect({ port, host: '127.0.0.1', noDelay: true })

const ping = (): void => {
  missing = MESSAGE.length
  sentAt = performance.now()
  socket.write(MESSAGE)
}

const report = (): void => {
  socket.destroy()
  const sorted = times.subarray(0, count).sort()
  const at = (share: number): number => (sorted[Math.floor(share * (count - 1))] ?? 0) * 1000
  console.log(JSON.stringify({ count, p50: at(0.5), p99: at(0.99) }))
}

socket.on('connect', ping)
socket.on('error', (error) => {
  console.error(error.message)
  process.exitCode = 1
})
socket.on('close', () => {
  if (count === 0) process.exitCode = 1
})
socket.on('data', (chunk) => {
  missing -= chunk.length
  if (missing > 0) return
  const now = performance.now()
  if (sentAt >= countFrom && count < times.length) times[count++] = now - sentAt
  if (now < endAt) ping()
  else report()
})
