/** Bytes whose every position is known: random-looking, the same for the same seed, cheap at any size. */

import { createCipheriv, createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

const KEY = Buffer.alloc(16, 'tidegate')
const ZEROES = Buffer.alloc(1024 * 1024)

const keystream = (seed: number): ReturnType<typeof createCipheriv> => {
  const nonce = Buffer.alloc(16)
  nonce.writeUInt32LE(seed, 0)
  return createCipheriv('aes-128-ctr', KEY, nonce)
}

/** The first `length` bytes of stream `seed`, in chunks of at most 1 MiB. */
export function* payloadChunks(seed: number, length: number): Generator<Buffer> {
  const cipher = keystream(seed)
  for (let left = length; left > 0; left -= ZEROES.length)
    yield cipher.update(left < ZEROES.length ? ZEROES.subarray(0, left) : ZEROES)
}

/** The first `length` bytes of stream `seed`. */
export const payload = (seed: number, length: number): Buffer =>
  Buffer.concat([...payloadChunks(seed, length)])

/** A hash of what passes by, and how much it was. */
export interface Digest {
  readonly sha256: string
  readonly bytes: number
}

export interface Digester {
  push(chunk: Uint8Array): void
  digest(): Digest
}

export const digester = (): Digester => {
  const hash = createHash('sha256')
  let bytes = 0
  return {
    push: (chunk) => {
      hash.update(chunk)
      bytes += chunk.length
    },
    digest: () => ({ sha256: hash.digest('hex'), bytes }),
  }
}

export const digestOf = (bytes: Uint8Array): Digest => {
  const hash = digester()
  hash.push(bytes)
  return hash.digest()
}

export const fileDigest = async (path: string): Promise<Digest> => {
  const hash = digester()
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.push(chunk)
  return hash.digest()
}

/** Writes the first `length` bytes of stream `seed` to a file. */
export const writePayload = async (path: string, seed: number, length: number): Promise<Digest> => {
  const hash = digester()
  const hashed = function* (): Generator<Buffer> {
    for (const chunk of payloadChunks(seed, length)) {
      hash.push(chunk)
      yield chunk
    }
  }
  await pipeline(Readable.from(hashed()), createWriteStream(path))
  return hash.digest()
}

/** A small seeded generator (mulberry32) for sizes and delays, so that a failure can be repeated. */
export const seededRandom = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
