/** A gateway with a spool, killed again and again: whatever the spool had taken reaches the sink, each byte at its place. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type Scope, testScope, within } from '../support/scope.js'
import { LOOPBACK, startServer } from '../support/sockets.js'

const PROGRAM = join(import.meta.dirname, 'sink-gateway.mjs')
const CHUNK_BYTES = 3000

/** The byte at a position is the same in all connections, both ways. */
const byteAt = (at: number): number => (Math.imul(at, 0x9e3779b1) >>> 24) & 0xff
const PATTERN = Uint8Array.from({ length: 1024 * 1024 }, (_, at) => byteAt(at))

class Run {
  readonly port: Promise<number>
  stored = 0
  isClosed = false
  readonly #child

  constructor(scope: Scope, args: readonly string[]) {
    const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
    scope.defer(() => child.kill('SIGKILL'))
    this.#child = child
    this.port = new Promise((resolve, reject) => {
      child.once('exit', () => reject(new Error('the gateway ended')))
      createInterface({ input: child.stdout }).on('line', (line) => {
        const [word, figure] = line.split(' ')
        if (word === 'listening') resolve(Number(figure))
        if (word === 'stored') this.stored = Number(figure)
        if (word === 'closed') this.isClosed = true
      })
    })
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }

  async end(): Promise<void> {
    this.#child.stdin.end()
    await within(20_000, 'the gateway to end', once(this.#child, 'exit'))
  }
}

/** Talks until it is cut: each chunk when the last one has come back. */
const talk = (port: number): void => {
  const socket = connect(port, '127.0.0.1')
  let sent = 0
  const send = (): void => {
    if (sent + CHUNK_BYTES > PATTERN.length) return
    socket.write(PATTERN.subarray(sent, sent + CHUNK_BYTES))
    sent += CHUNK_BYTES
  }
  let back = 0
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    back += chunk.length
    if (back === sent) send()
  })
  send()
}

interface Line {
  readonly kind: string
  readonly recording: string
  readonly connection: number
  readonly direction: string
  readonly at: number
  readonly bytes: string
}

/** Bytes of each direction of each connection. @throws Error where there is a hole, or another byte than was sent. */
const delivered = (file: string): number => {
  const ends = new Map<string, number>()
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  for (const line of lines) {
    const record: Line = JSON.parse(line)
    if (record.kind !== 'data') continue
    const stream = `${record.recording}/${record.connection}/${record.direction}`
    const bytes = Buffer.from(record.bytes, 'base64')
    const end = ends.get(stream) ?? 0
    if (record.at > end) throw new Error(`${stream} has nothing of ${end} to ${record.at}`)
    if (bytes.compare(PATTERN.subarray(record.at, record.at + bytes.length)) !== 0)
      throw new Error(`${stream} has other bytes at ${record.at}`)
    ends.set(stream, Math.max(end, record.at + bytes.length))
  }
  return [...ends.values()].reduce((sum, end) => sum + end, 0)
}

test('nothing that the spool had taken is missing after kills at any moment, whatever the sink did', async () => {
  const scope = testScope()
  const folder = scope.tempDir()
  const [spool, file] = [join(folder, 'spool'), join(folder, 'lines')]
  const echo = await startServer(scope, (socket) => socket.pipe(socket))
  const upstream = `${LOOPBACK}:${echo.port}`
  let stored = 0
  for (const mode of ['works', 'away', 'slow', 'works', 'slow', 'away']) {
    const run = new Run(scope, [spool, file, upstream, mode])
    const port = await within(20_000, 'the gateway to listen', run.port)
    for (let client = 0; client < 5; client++) talk(port)
    await setTimeout(150 + Math.random() * 300)
    await run.kill()
    stored += run.stored
  }
  const last = new Run(scope, [spool, file, upstream, 'works'])
  await last.port
  await last.end()
  expect(last.isClosed).toBe(true)
  expect(stored).toBeGreaterThan(100_000)
  expect(delivered(file)).toBeGreaterThanOrEqual(stored)
  expect(readdirSync(spool)).toEqual([])
}, 60_000)
