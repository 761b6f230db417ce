/**
 * Compressed recordings, undone while they are read: gzip (RFC 1952) and zstd (RFC 8878), told by their first bytes.
 *
 * - member, frame: a compressed stream by itself; files may have several, one after the other
 * - torn: the compressed bytes end inside a member
 */

import type { Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import { ZstdFrames } from '../../core/codec/zstd-frames.js'
import { errnoOf, messageOf, TidegateError } from '../../errors.js'

export type Compression = 'gzip' | 'zstd'

const MAGIC: Readonly<Record<Compression, readonly number[]>> = {
  gzip: [0x1f, 0x8b],
  zstd: [0x28, 0xb5, 0x2f, 0xfd],
}

/** With this many first bytes {@link compressionOf} knows. */
export const MAGIC_BYTES = 4

export const compressionOf = (head: Uint8Array): Compression | null => {
  const begins = (magic: readonly number[]): boolean => magic.every((byte, at) => head[at] === byte)
  return begins(MAGIC.gzip) ? 'gzip' : begins(MAGIC.zstd) ? 'zstd' : null
}

/** The compressed bytes do not follow their format: what came out before was given out. */
export class CompressionDamage extends Error {
  readonly torn: boolean
  constructor(message: string, torn: boolean) {
    super(message)
    this.torn = torn
  }
}

/** Put in at a time, and taken out at a time: what a few bytes can unfold to waits inside until it is asked for. */
const PIECE_BYTES = 64 * 1024
/** With a mark this low, nothing more is unfolded before the last piece was taken. */
const OPTIONS = { chunkSize: PIECE_BYTES, readableHighWaterMark: 1 } as const

const zstdUnsupported = (name: string): TidegateError => {
  const file = name === 'stdin' ? 'FILE.zst' : name
  return new TidegateError(
    'usage',
    `'${name}' is compressed with zstd, which Node ${process.versions.node} cannot undo (22.15 can): try zstd -dc '${file}' | tidegate … -`,
    { fault: 'usage', where: name },
  )
}

const createStream = (compression: Compression, name: string): Transform => {
  if (compression === 'gzip') return zlib.createGunzip(OPTIONS)
  // Since Node 22.15.
  const create: unknown = Reflect.get(zlib, 'createZstdDecompress')
  if (typeof create !== 'function') throw zstdUnsupported(name)
  return Reflect.apply(create, null, [OPTIONS])
}

/** @throws TidegateError `usage` where this Node cannot undo it. */
export const checkCompression = (compression: Compression | null, name: string): void => {
  if (compression !== null) createStream(compression, name).destroy()
}

/** One engine: bytes go in, and all they unfold to is taken out before the next go in. */
class Engine {
  readonly #stream: Transform
  #failure: Error | null = null
  #ended = false
  #wake: () => void = () => {}

  constructor(compression: Compression, name: string) {
    this.#stream = createStream(compression, name)
    this.#stream.on('readable', () => this.#wake())
    this.#stream.on('end', () => {
      this.#ended = true
      this.#wake()
    })
    this.#stream.on('error', (error: Error) => {
      this.#failure = error
      this.#wake()
    })
  }

  async *#takeOut(isDone: () => boolean): AsyncGenerator<Uint8Array> {
    for (;;) {
      const waiting = new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      for (let out: unknown = this.#stream.read(); out instanceof Uint8Array; out = this.#stream.read())
        yield out
      if (this.#failure !== null) throw this.#failure
      if (isDone() || this.#ended) return
      await waiting
    }
  }

  async *put(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      let done = false
      this.#stream.write(bytes.subarray(at, at + PIECE_BYTES), () => {
        done = true
        this.#wake()
      })
      yield* this.#takeOut(() => done)
    }
  }

  async *finish(): AsyncGenerator<Uint8Array> {
    this.#stream.end()
    yield* this.#takeOut(() => false)
  }

  destroy(): void {
    this.#stream.destroy()
  }
}

const ENDS_EARLY = 'data ends too early'

/** The engine takes one member after the other, and knows where the last has to end. */
async function* gunzipped(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  const engine = new Engine('gzip', name)
  try {
    for await (const chunk of chunks) yield* engine.put(chunk)
    yield* engine.finish()
  } finally {
    engine.destroy()
  }
}

/** The engine takes one frame, passes over what follows it, and is content with a part of one. */
async function* unzstd(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  const frames = new ZstdFrames()
  let engine: Engine | null = null
  try {
    for await (const chunk of chunks)
      for (let at = 0; at < chunk.length; ) {
        const end = frames.take(chunk, at)
        if (end === null) throw new CompressionDamage('what follows its zstd data is none', false)
        const part = chunk.subarray(at, end)
        at = end
        if (!frames.holdsData) continue
        engine ??= new Engine('zstd', name)
        yield* engine.put(part)
        if (!frames.isBetween) continue
        yield* engine.finish()
        engine.destroy()
        engine = null
      }
    if (!frames.isBetween) throw new CompressionDamage(`its zstd ${ENDS_EARLY}`, true)
  } finally {
    engine?.destroy()
  }
}

/**
 * What `chunks` unfold to, in bounded memory.
 * @throws CompressionDamage (rejects) when they are torn or damaged; `chunks`' own errors.
 */
export async function* decompressed(
  compression: Compression,
  chunks: AsyncIterable<Uint8Array>,
  name: string,
): AsyncGenerator<Uint8Array> {
  try {
    yield* compression === 'gzip' ? gunzipped(chunks, name) : unzstd(chunks, name)
  } catch (error) {
    throw asDamage(compression, error)
  }
}

/** What is not ours is the engine's. */
const asDamage = (compression: Compression, thrown: unknown): unknown => {
  if (thrown instanceof TidegateError || thrown instanceof CompressionDamage) return thrown
  if (errnoOf(thrown) === 'Z_BUF_ERROR')
    return new CompressionDamage(`its ${compression} ${ENDS_EARLY}`, true)
  return new CompressionDamage(`its ${compression} data is damaged: ${messageOf(thrown)}`, false)
}
