/** What kind of recording this is, told from its first bytes, compressed or not; and what to say of a file that is none. */

import type { CaptureFormat } from '../../core/codec/capture.js'
import { DETECT_BYTES, detectFormat } from '../../core/codec/detect.js'
import { TidegateError } from '../../errors.js'
import type { ChunkSource } from './chunks.js'
import {
  type Compression,
  CompressionDamage,
  checkCompression,
  compressionOf,
  decompressed,
  MAGIC_BYTES,
} from './compression.js'
import { PeekedChunks } from './peek.js'

const EXPECTED = 'expected pcapng, pcap or gogetway'

const notARecording = (name: string, why: string, cause?: unknown): TidegateError =>
  new TidegateError('format_unknown', `'${name}' ${why}: ${EXPECTED}`, { fault: 'usage', where: name, cause })

export interface Detected {
  readonly format: CaptureFormat
  readonly compression: Compression | null
  /** Everything, from the first byte on, decompressed. Lets go of the source when the loop ends. */
  readonly chunks: AsyncIterable<Uint8Array>
  /** Lets go of the source, also where the loop was never begun. Idempotent. */
  close(): Promise<void>
}

const formatOf = (name: string, head: Uint8Array): CaptureFormat => {
  const format = detectFormat(head)
  if (head.length === 0) throw notARecording(name, 'is empty')
  if (format === null || format === 'more') throw notARecording(name, 'is not a recording')
  return format
}

const headOf = async (name: string, peeked: PeekedChunks): Promise<Uint8Array> => {
  try {
    return await peeked.head(DETECT_BYTES)
  } catch (error) {
    if (!(error instanceof CompressionDamage)) throw error
    throw notARecording(name, `cannot be read: ${error.message}`, error)
  }
}

/** @throws TidegateError (rejects) `format_unknown`, `usage` (needs a newer Node), having let go of the source. */
export const detect = async (
  { name, chunks }: ChunkSource,
  onBytes: (length: number) => void,
): Promise<Detected> => {
  const raw = new PeekedChunks(counted(chunks(), onBytes))
  let peeked = raw
  const close = async (): Promise<void> => {
    await peeked.close()
    await raw.close()
  }
  try {
    const compression = compressionOf(await raw.head(MAGIC_BYTES))
    checkCompression(compression, name)
    if (compression !== null) peeked = new PeekedChunks(decompressed(compression, raw.chunks(), name))
    const format = formatOf(name, await headOf(name, peeked))
    return { format, compression, chunks: peeked.chunks(), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  onBytes: (length: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    onBytes(chunk.length)
    yield chunk
  }
}
