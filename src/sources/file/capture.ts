/** One input of a recording, opened: its format known, its bytes uncompressed, what was read of it counted. */

import type { CaptureFormat, CaptureRecord, DamageRecord } from '../../core/codec/capture.js'
import { createCaptureReader } from '../../core/codec/detect.js'
import type { ChunkSource } from './chunks.js'
import { type Compression, CompressionDamage } from './compression.js'
import { detect } from './format.js'

export interface Capture {
  /** The path, or what the source is called. */
  readonly name: string
  readonly format: CaptureFormat
  readonly compression: Compression | null
  readonly totalBytes: number | null
  /** As they lie in the file, so far. */
  readonly bytesRead: number
  /** Those of one chunk at a time; each batch has to be used up. Damage is the last record. Offsets count uncompressed bytes. */
  batches(): AsyncIterable<Iterable<CaptureRecord>>
  /** Idempotent. */
  close(): Promise<void>
}

/** Where and how one file stops following its format. */
export interface FileDamage extends DamageRecord {
  readonly file: string
  /** `offset` counts what the file unfolds to. */
  readonly compressed: boolean
  /** Bytes of the file that were read: all of it, if it is torn. */
  readonly bytesRead: number
}

export interface CaptureHooks {
  /** Bytes as they lie in the file. */
  readonly onBytes?: (length: number) => void
  /** Just before the damage is given out. */
  readonly onDamage?: (damage: FileDamage) => void
}

/**
 * Takes over the source, which it closes also when it fails.
 * @throws TidegateError (rejects) `file_unreadable`, `format_unknown`.
 */
export const openCapture = async (
  source: ChunkSource,
  { onBytes, onDamage }: CaptureHooks = {},
): Promise<Capture> => {
  let bytesRead = 0
  const count = (length: number): void => {
    bytesRead += length
    onBytes?.(length)
  }
  const detected = await detect(source, count).catch(async (error: unknown) => {
    await source.close()
    throw error
  })
  const { format, compression } = detected
  const chunks = detected.chunks[Symbol.asyncIterator]()

  const close = async (): Promise<void> => {
    await chunks.return?.()
    await detected.close()
    await source.close()
  }

  async function* batches(): AsyncGenerator<Iterable<CaptureRecord>> {
    const reader = createCaptureReader(format)
    let damaged = false
    let offset = 0

    const noteDamage = (record: DamageRecord): void => {
      damaged = true
      onDamage?.({ ...record, file: source.name, compressed: compression !== null, bytesRead })
    }

    function* noting(records: Iterable<CaptureRecord>): Generator<CaptureRecord> {
      for (const record of records) {
        if (record.kind === 'damage') noteDamage(record)
        yield record
      }
    }

    try {
      for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
        offset += next.value.length
        yield noting(reader.push(next.value))
        // Nothing after the damage can be trusted, so nothing of it is read.
        if (damaged) return
      }
      yield noting(reader.end())
    } catch (error) {
      if (!(error instanceof CompressionDamage)) throw error
      yield noting([damageOf(error, offset)])
    } finally {
      await close()
    }
  }

  return {
    name: source.name,
    format,
    compression,
    totalBytes: source.totalBytes,
    get bytesRead() {
      return bytesRead
    },
    batches,
    close,
  }
}

const damageOf = ({ message, torn }: CompressionDamage, offset: number): DamageRecord => ({
  kind: 'damage',
  offset,
  message,
  torn,
})
