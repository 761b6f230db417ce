/**
 * Compressed recordings, undone while they are read: gzip (RFC 1952) and zstd (RFC 8878), told by their first bytes.
 *
 * - member: a compressed stream by itself; files may have several, one after the other
 * - torn: the compressed bytes end inside a member
 */

import type { Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import { messageOf, TidegateError } from '../../errors.js'

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

const createEngine = (compression: Compression, name: string): Transform & { bytesWritten?: number } => {
  if (compression === 'gzip') return zlib.createGunzip(OPTIONS)
  // Since Node 22.15.
  const create: unknown = Reflect.get(zlib, 'createZstdDecompress')
  if (typeof create !== 'function') throw zstdUnsupported(name)
  return Reflect.apply(create, null, [OPTIONS])
}

/** @throws TidegateError `usage` where this Node cannot undo it. */
export const checkCompression = (compression: Compression | null, name: string): void => {
  if (compression !== null) createEngine(compression, name).destroy()
}

/** zlib's `Z_BUF_ERROR`, and what zstd's stream says at its end: the input stopped too early. */
const isTorn = (message: string): boolean => /unexpected end|incomplete|srcSize_wrong|Src size/i.test(message)

/** One engine: bytes go in, and all they unfold to is taken out before the next go in. */
class Member {
  readonly #engine: Transform & { bytesWritten?: number }
  #failure: Error | null = null
  #ended = false
  #wake: () => void = () => {}
  #taken = 0

  constructor(compression: Compression, name: string) {
    this.#engine = createEngine(compression, name)
    this.#engine.on('readable', () => this.#wake())
    this.#engine.on('end', () => {
      this.#ended = true
      this.#wake()
    })
    this.#engine.on('error', (error: Error) => {
      this.#failure = error
      this.#wake()
    })
  }

  /** It came to its end before all that was put in was used. */
  get ended(): boolean {
    return this.#ended
  }

  /** Of all that was put in, the bytes that are not of this member. */
  get unused(): number {
    return this.#taken - (this.#engine.bytesWritten ?? this.#taken)
  }

  async *#drain(isDone: () => boolean): AsyncGenerator<Uint8Array> {
    for (;;) {
      const waiting = new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      for (let out: unknown = this.#engine.read(); out instanceof Uint8Array; out = this.#engine.read())
        yield out
      if (this.#failure !== null) throw this.#failure
      if (isDone() || this.#ended) return
      await waiting
    }
  }

  async *put(piece: Uint8Array): AsyncGenerator<Uint8Array> {
    let done = false
    this.#taken += piece.length
    this.#engine.write(piece, () => {
      done = true
      this.#wake()
    })
    yield* this.#drain(() => done)
  }

  async *finish(): AsyncGenerator<Uint8Array> {
    this.#engine.end()
    yield* this.#drain(() => false)
  }

  destroy(): void {
    this.#engine.destroy()
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
  let member = new Member(compression, name)
  try {
    for await (const chunk of chunks)
      for (let at = 0; at < chunk.length; ) {
        const piece = chunk.subarray(at, at + PIECE_BYTES)
        yield* member.put(piece)
        at += piece.length
        if (!member.ended) continue
        at -= member.unused
        if (at === chunk.length) break
        if (compressionOf(chunk.subarray(at)) === null)
          throw new CompressionDamage(`what follows its ${compression} data is none`, false)
        member = new Member(compression, name)
      }
    if (!member.ended) yield* member.finish()
  } catch (error) {
    throw asDamage(compression, error)
  } finally {
    member.destroy()
  }
}

/** Errors of the engine have zlib's codes; everything else is passed on. */
const asDamage = (compression: Compression, thrown: unknown): unknown => {
  if (thrown instanceof TidegateError || thrown instanceof CompressionDamage) return thrown
  const message = messageOf(thrown)
  return isTorn(message)
    ? new CompressionDamage(`its ${compression} data ends too early`, true)
    : new CompressionDamage(`its ${compression} data is damaged: ${message}`, false)
}
