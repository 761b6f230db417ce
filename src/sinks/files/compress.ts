/**
 * Compresses a file that is complete, beside everything else (zlib works on threads of its own). What is there under the new name is
 * always whole: it gets its name once it is on the disk, and only then the original goes.
 */

import { constants } from 'node:fs'
import { type FileHandle, open, rename, rm, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import * as zlib from 'node:zlib'
import { COMPRESSED_ENDINGS } from '../../core/record/files/template.js'
import { syncFolder } from '../file/sync-folder.js'

export type Compressed = keyof typeof COMPRESSED_ENDINGS

/** What a compression that was not finished is called. */
export const PARTIAL_ENDING = '.part'

const READ_BYTES = 256 * 1024

const OWNER_ONLY = 0o600

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW = 0 } = constants

/** As the types of the oldest Node do not have it yet. */
const zstd = (zlib as { readonly createZstdCompress?: () => Transform }).createZstdCompress

const encoderOf = (how: Compressed): Transform => {
  if (how === 'gzip') return zlib.createGzip()
  if (zstd === undefined) throw new Error('this Node has no zstd')
  return zstd()
}

/**
 * Returns where it is now, and how large. Its time is still that of the original.
 * @throws what the system says, or that it was aborted; then the original is as it was, and nothing else is left.
 */
export const compressFile = async (
  path: string,
  how: Compressed,
  signal: AbortSignal,
): Promise<{ readonly path: string; readonly bytes: number }> => {
  const target = path + COMPRESSED_ENDINGS[how]
  const partial = target + PARTIAL_ENDING
  await rm(partial, { force: true })
  try {
    const bytes = await compressInto(path, partial, how, signal)
    await rename(partial, target)
    syncFolder(dirname(target))
    await unlink(path)
    return { path: target, bytes }
  } catch (error) {
    await rm(partial, { force: true }).catch(() => {})
    throw error
  }
}

const compressInto = async (
  path: string,
  partial: string,
  how: Compressed,
  signal: AbortSignal,
): Promise<number> => {
  const source = await open(path, O_RDONLY | O_NOFOLLOW)
  try {
    const target = await open(partial, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, OWNER_ONLY)
    return await closing(target, async () => {
      const { atime, mtime } = await source.stat()
      const from = source.createReadStream({ highWaterMark: READ_BYTES })
      await piped(from, encoderOf(how), target, signal)
      await target.utimes(atime, mtime)
      await target.sync()
      return (await target.stat()).size
    })
  } finally {
    await source.close()
  }
}

/** @throws what the system says; of a write that fails, Node's own pipeline says only that it was aborted. */
const piped = async (
  from: Readable,
  encoder: Transform,
  target: FileHandle,
  signal: AbortSignal,
): Promise<void> => {
  let failure: unknown = null
  const writeAll = async (chunks: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const chunk of chunks) await target.writeFile(chunk).catch(fail)
  }
  const fail = (error: unknown): never => {
    failure = error
    throw error
  }
  await pipeline(from, encoder, writeAll, { signal }).catch((error: unknown) => {
    throw failure ?? error
  })
}

const closing = async <T>(handle: FileHandle, work: () => Promise<T>): Promise<T> => {
  try {
    return await work()
  } finally {
    await handle.close()
  }
}
