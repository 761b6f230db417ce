/**
 * Usage: node flow-reader.js HOST PORT SECONDS STREAMS. Takes from flow.js, over several connections, all that comes in so long, to the
 * last byte; prints `{"bytes", "seconds"}`.
 */

import { connect } from 'node:net'

const READ_BYTES = 256 * 1024

const [host, port, seconds, streams] = process.argv.slice(2) as [string, string, string, string]

/** Into the same memory each time: what is counted need not be kept. */
const buffer = Buffer.alloc(READ_BYTES)

/** @returns how many bytes came before the end; rejects if they were cut off */
const read = (): Promise<number> =>
  new Promise((resolve, reject) => {
    let bytes = 0
    const callback = (count: number): boolean => {
      bytes += count
      return true
    }
    // Not ended here: there are proxies that take that for the end of both directions.
    const socket = connect({ host, port: Number(port), onread: { buffer, callback }, allowHalfOpen: true })
    socket.once('end', () => {
      socket.destroy()
      resolve(bytes)
    })
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('a connection was closed before its end')))
    socket.write(`${seconds}\n`)
  })

const began = performance.now()
try {
  const all = await Promise.all(Array.from({ length: Number(streams) }, read))
  const bytes = all.reduce((sum, each) => sum + each, 0)
  console.log(JSON.stringify({ bytes, seconds: (performance.now() - began) / 1000 }))
} catch (thrown) {
  console.error(thrown instanceof Error ? thrown.message : String(thrown))
  process.exitCode = 1
}
