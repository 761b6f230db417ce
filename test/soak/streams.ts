/**
 * Clients that send streams and read them back, until they are told to stop or lose the gateway; and a check that what was
 * recorded of each is what it sent: every stream says first which it is.
 */

import { connect, type Socket } from 'node:net'
import type { DataEvent } from '../../src/recording.js'
import { seededRandom } from '../support/payload.js'
import { LOOPBACK } from '../support/sockets.js'
import { PATTERN } from './plan.js'

const AT_ONCE = 16
/** At most; as many connections of each order of magnitude. */
const LARGEST_STREAM = 4 * 1024 ** 2
const LARGEST_WRITE = 256 * 1024
/** Which stream it is: what each client says first. */
const HEADER_BYTES = 4

const logUniform = (random: () => number, most: number): number => Math.max(1, Math.floor(most ** random()))

/** Sends one stream and reads it back, until the connection is lost; a shorter one when it is to stop. Resolves with the bytes it has sent. */
const play = async (
  port: number,
  seed: number,
  bytesPerMs: number,
  isStopping: () => boolean,
): Promise<number> => {
  const startedAt = performance.now()
  let sent = 0
  const random = seededRandom(seed)
  const socket = connect({ port, host: LOOPBACK }).on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.resume()
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32LE(seed)
  await send(socket, header)
  let at = seed % PATTERN.length
  const typical = logUniform(random, LARGEST_WRITE)
  for (let left = logUniform(random, LARGEST_STREAM); left > 0 && !socket.destroyed && !isStopping(); ) {
    const length = Math.min(left, 1 + Math.floor(random() * 2 * typical), PATTERN.length - at)
    await send(socket, PATTERN.subarray(at, at + length))
    at = (at + length) % PATTERN.length
    left -= length
    sent += length
    const ahead = startedAt + sent / bytesPerMs - performance.now()
    if (ahead > 0) await new Promise((resolve) => setTimeout(resolve, ahead))
  }
  socket.end()
  await closed
  return HEADER_BYTES + sent
}

/** Resolves in a later turn: a stream of single bytes must not keep its process, the echo server's too, from all else until it blocks. */
const send = (socket: Socket, bytes: Buffer): Promise<void> =>
  new Promise((resolve) => {
    if (socket.destroyed) return resolve()
    socket.once('close', resolve)
    socket.write(bytes, () => {
      socket.off('close', resolve)
      setImmediate(resolve)
    })
  })

/**
 * One stream that sends a piece whenever the last one has come back, for this long; resolves with the bytes that have come back, once it
 * has ended. Unlike the clients above it goes as fast as the gateway lets it.
 */
export const pingPong = async (
  port: number,
  seed: number,
  pieceBytes: number,
  ms: number,
): Promise<number> => {
  const socket = connect({ port, host: LOOPBACK }).on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  const until = performance.now() + ms
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32LE(seed)
  let [sent, back, at] = [HEADER_BYTES, 0, seed % PATTERN.length]
  socket.write(header)
  socket.on('data', (bytes) => {
    back += bytes.length
    if (back < sent) return
    if (performance.now() >= until) return void socket.end()
    const length = Math.min(pieceBytes, PATTERN.length - at)
    socket.write(PATTERN.subarray(at, at + length))
    sent += length
    at = (at + length) % PATTERN.length
  })
  await closed
  return back
}

export interface Clients {
  /** Resolves when all have ended. */
  readonly stopped: Promise<unknown>
  /** Of streams that have ended; no more is known of those that lost the gateway. */
  readonly sentBytes: number
  /** No new stream is begun, and those that are ended before their time. */
  stop(): void
}

/** @param bytesPerMs what all of them send together; default: as much as the gateway takes. */
export const startClients = (
  port: number,
  firstSeed: number,
  bytesPerMs = Number.POSITIVE_INFINITY,
): Clients => {
  let seed = firstSeed
  let stopping = false
  let sentBytes = 0
  const inTurn = async (): Promise<void> => {
    while (!stopping) {
      const sent = await play(port, ++seed, bytesPerMs / AT_ONCE, () => stopping)
      sentBytes += sent
    }
  }
  return {
    stopped: Promise.all(Array.from({ length: AT_ONCE }, inTurn)),
    get sentBytes() {
      return sentBytes
    },
    stop: () => {
      stopping = true
    },
  }
}

/** What each stream has to be, found out from how it begins. */
export class Checked {
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
