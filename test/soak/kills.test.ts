/**
 * Gateways that record into many files, killed in the middle of traffic: what the recording had acknowledged is there, in
 * files that can be read. `npm run soak -- --kills 50` does it at length.
 */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import type { DataEvent } from '../../src/recording.js'
import { openRecording } from '../../src/recording.js'
import { seededRandom } from '../support/payload.js'
import { eventually, type Scope, testScope, within } from '../support/scope.js'
import { LOOPBACK, startServer } from '../support/sockets.js'
import { tidegate } from '../support/tidegate.js'
import { PATTERN } from './plan.js'

const KILLS = Number(process.env.SOAK_KILLS ?? 6)
const SEED = Number(process.env.SOAK_SEED ?? 1)
/** Relayed before each kill, about; both directions together. */
const BYTES_PER_KILL = 20e6
const AT_ONCE = 16
/** At most; as many connections of each order of magnitude. */
const LARGEST_STREAM = 4 * 1024 ** 2
const LARGEST_WRITE = 256 * 1024
/** Which stream it is: what each client says first. */
const HEADER_BYTES = 4

const PROGRAM = fileURLToPath(new URL('../support/programs/acknowledging.mjs', import.meta.url))

const ENGINES = [
  { engine: 'linux', workers: 2 },
  { engine: 'portable', workers: 0 },
  { engine: 'linux', workers: 0 },
] as const

/** Files that follow one another as often as they may, so that many kills come while one is closed, begun or compressed. */
const STORES = [
  { rotate: { size: '1MiB' }, compress: 'gzip' },
  { rotate: { size: '256KiB' }, sync: 'always' },
  { rotate: { every: '1s', size: '4MiB' }, keep: { files: 1000 } },
] as const

const logUniform = (random: () => number, most: number): number => Math.max(1, Math.floor(most ** random()))

interface Program {
  readonly port: number
  /** What has been acknowledged, as far as is known. */
  acknowledged(): number
  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
}

const startProgram = async (scope: Scope, config: object): Promise<Program> => {
  const child = fork(PROGRAM, [JSON.stringify(config)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const exited = once(child, 'exit')
  scope.defer(() => void child.kill('SIGKILL'))
  let acknowledged = 0
  let port = 0
  child.on('message', (said: { port?: number; storedBytes?: number }) => {
    port = said.port ?? port
    acknowledged = said.storedBytes ?? acknowledged
  })
  await Promise.race([
    eventually('the program to listen', () => port > 0),
    exited.then(() => Promise.reject(new Error('the program ended'))),
  ])
  return {
    port,
    acknowledged: () => acknowledged,
    kill: async (signal) => {
      child.kill(signal)
      await within(30_000, `the program to end after ${signal}`, exited)
    },
  }
}

/** Sends one stream, reads it back, and begins the next, until the connection is lost. */
const play = async (port: number, seed: number): Promise<void> => {
  const random = seededRandom(seed)
  const socket = connect({ port, host: LOOPBACK }).on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.resume()
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32LE(seed)
  await send(socket, header)
  let at = seed % PATTERN.length
  const typical = logUniform(random, LARGEST_WRITE)
  for (let left = logUniform(random, LARGEST_STREAM); left > 0 && !socket.destroyed; ) {
    const length = Math.min(left, 1 + Math.floor(random() * 2 * typical), PATTERN.length - at)
    await send(socket, PATTERN.subarray(at, at + length))
    at = (at + length) % PATTERN.length
    left -= length
  }
  socket.end()
  await closed
}

const send = (socket: Socket, bytes: Buffer): Promise<void> =>
  new Promise((resolve) => {
    if (socket.destroyed) return resolve()
    socket.once('close', resolve)
    socket.write(bytes, () => {
      socket.off('close', resolve)
      resolve()
    })
  })

const startClients = (
  port: number,
  firstSeed: number,
): { readonly stopped: Promise<unknown>; stop(): void } => {
  let seed = firstSeed
  let stopping = false
  const inTurn = async (): Promise<void> => {
    while (!stopping) await play(port, ++seed)
  }
  return {
    stopped: Promise.all(Array.from({ length: AT_ONCE }, inTurn)),
    stop: () => {
      stopping = true
    },
  }
}

/** What each stream has to be, found out from how it begins. */
class Checked {
  readonly #headers = new Map<string, Buffer>()
  bytes = 0

  take({ connection, direction, at, bytes }: DataEvent): void {
    const key = `${connection} ${direction}`
    const header = this.#headers.get(key) ?? Buffer.alloc(HEADER_BYTES)
    this.#headers.set(key, header)
    this.bytes += bytes.length
    const ofHeader = Math.max(0, Math.min(bytes.length, HEADER_BYTES - at))
    header.set(bytes.subarray(0, ofHeader), Math.min(at, HEADER_BYTES - ofHeader))
    for (let done = ofHeader; done < bytes.length; ) {
      const from = (header.readUInt32LE(0) + at + done - HEADER_BYTES) % PATTERN.length
      const length = Math.min(bytes.length - done, PATTERN.length - from)
      if (PATTERN.compare(bytes, done, done + length, from, from + length) !== 0)
        throw new Error(`${direction} of connection ${connection} is wrong at or after ${at + done}`)
      done += length
    }
  }
}

/** Throws at the first byte that is not what was sent, at a gap, and at a file that cannot be read. */
const readAll = async (folder: string): Promise<number> => {
  const checked = new Checked()
  const recording = await openRecording(folder)
  for await (const batch of recording.batches())
    for (const event of batch) {
      if (event.kind === 'data') checked.take(event)
      if (event.kind === 'gap' && !event.cut)
        throw new Error(`connection ${event.connection} lacks ${event.length} bytes: ${event.why}`)
    }
  expect(recording.damage).toBe(null)
  return checked.bytes
}

const verified = async (args: readonly string[]): Promise<void> => {
  const { code, stdout, stderr } = await tidegate(['verify', ...args], { timeoutMs: 120_000 })
  expect(code, `${stdout}${stderr}`).toBe(0)
}

it(
  `after ${KILLS} kills everything that was acknowledged can be read, and no file is damaged (seed ${SEED})`,
  async () => {
    const random = seededRandom(SEED)
    let total = 0
    for (let kill = 0; kill < KILLS; kill++) {
      const ends = testScope()
      const folder = join(ends.tempDir(), 'traffic')
      const echo = await startServer(ends, (socket) => {
        socket.on('error', () => {}).pipe(socket)
      })
      const store = STORES[kill % STORES.length]
      const config = {
        ...ENGINES[Math.floor(kill / STORES.length) % ENGINES.length],
        listeners: [{ listen: `${LOOPBACK}:0`, upstream: `${LOOPBACK}:${echo.port}` }],
        record: { file: `${folder}/`, ...store },
      }
      const gateway = await startProgram(ends, config)
      const clients = startClients(gateway.port, SEED * 1_000_003 + kill * 10_000)
      const moment = BYTES_PER_KILL * (0.1 + 1.8 * random())
      await eventually('the traffic to have got so far', () => gateway.acknowledged() > moment, 60_000)
      clients.stop()
      await gateway.kill('SIGKILL')
      const acknowledged = gateway.acknowledged()
      await within(30_000, 'the clients to notice', clients.stopped)
      await echo.close()

      // Half of them are repaired by hand, half by the next start.
      if (kill % 2 === 0) await verified(['--repair', folder])
      else {
        const next = await startProgram(ends, config)
        await next.kill('SIGTERM')
      }
      await verified([folder])
      const readable = await readAll(folder)
      expect(readable, `bytes that can be read, of ${acknowledged} acknowledged`).toBeGreaterThanOrEqual(
        acknowledged,
      )
      expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toHaveLength(0)
      expect(existsSync(folder)).toBe(true)
      total += readable
    }
    process.stdout.write(`${KILLS} kills, ${(total / 1e9).toFixed(2)} GB acknowledged and read back\n`)
  },
  60_000 + KILLS * 30_000,
)
