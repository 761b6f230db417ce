/**
 * A gateway of its own process, whose sink appends JSON lines to a file: for tests that kill it.
 *
 *     node sink-gateway.mjs SPOOL FILE UPSTREAM works|away|slow
 *
 * Prints `listening PORT`, then now and then `stored BYTES`; ends in order when its stdin does.
 */

import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { createGateway } from '../../dist/index.js'

const [, , spool, file, upstream, mode] = process.argv

class LinesSink {
  where = file
  #descriptor = null

  async open() {
    if (mode === 'away') throw new Error('away')
    if (this.#descriptor !== null) closeSync(this.#descriptor)
    this.#descriptor = openSync(file, 'a', 0o600)
    // A kill may have torn the last line.
    const whole = readFileSync(file).lastIndexOf(10) + 1
    if (whole < fstatSync(this.#descriptor).size) ftruncateSync(this.#descriptor, whole)
  }

  async write(batch) {
    if (mode === 'slow') await setTimeout(20)
    for (const record of batch) writeSync(this.#descriptor, `${JSON.stringify(record, asText)}\n`)
  }

  async close() {
    if (this.#descriptor !== null) closeSync(this.#descriptor)
    this.#descriptor = null
  }
}

const asText = (_, value) => {
  if (typeof value === 'bigint') return String(value)
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value
}

const gateway = await createGateway(
  { listeners: [{ listen: '127.0.0.1:0', upstream }], record: { spool: { dir: spool } }, drainTimeout: 0 },
  { sink: new LinesSink() },
)
console.log(`listening ${gateway.listeners[0].address.port}`)
const telling = setInterval(() => console.log(`stored ${gateway.counters().recording.storedBytes}`), 5)
process.stdin.resume().once('end', async () => {
  clearInterval(telling)
  await gateway.close()
  console.log('closed')
})
