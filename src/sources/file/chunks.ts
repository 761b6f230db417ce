/** The bytes of a recording, chunk by chunk, from a file, from stdin or from anything that yields bytes. */

import { type FileHandle, open } from 'node:fs/promises'
import { looksLikeUrl, safeUrl } from '../../core/safe-url.js'
import { errnoOf, messageOf, TidegateError } from '../../errors.js'

/** Read at a time: large enough that the system calls do not count, small enough to stay in the processor's cache. */
const CHUNK_BYTES = 1024 * 1024

export interface ChunkSource {
  /** The path, or `stdin`, as messages name it. */
  readonly name: string
  /** Null where it cannot be known: pipes, devices. */
  readonly totalBytes: number | null
  /** Each chunk is valid only until the next is asked for. */
  chunks(): AsyncIterable<Uint8Array>
  /** Idempotent. */
  close(): Promise<void>
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is not a directory',
  EMFILE: 'too many open files',
  EIO: 'the device reports an error',
}

export const unreadable = (name: string, thrown: unknown): TidegateError => {
  if (thrown instanceof TidegateError) return thrown
  const errno = errnoOf(thrown)
  const reason = errno === undefined ? messageOf(thrown) : `${REASONS[errno] ?? messageOf(thrown)} (${errno})`
  return new TidegateError(
    'file_unreadable',
    `cannot read '${looksLikeUrl(name) ? safeUrl(name) : name}': ${reason}`,
    {
      fault: 'usage',
      where: name,
      cause: thrown,
      ...(errno === undefined ? {} : { errno }),
    },
  )
}

async function* fileChunks(handle: FileHandle, path: string, chunkBytes: number): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(chunkBytes)
  for (;;) {
    const { bytesRead } = await handle.read(buffer, 0, chunkBytes, null).catch((error: unknown) => {
      throw unreadable(path, error)
    })
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
  }
}

const openChecked = async (path: string): Promise<{ handle: FileHandle; totalBytes: number | null }> => {
  const handle = await open(path, 'r')
  try {
    const stat = await handle.stat()
    if (stat.isDirectory())
      throw Object.assign(new Error('illegal operation on a directory'), { code: 'EISDIR' })
    return { handle, totalBytes: stat.isFile() ? stat.size : null }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** @throws TidegateError (rejects) `file_unreadable`. */
export const openFileChunks = async (path: string, chunkBytes = CHUNK_BYTES): Promise<ChunkSource> => {
  const { handle, totalBytes } = await openChecked(path).catch((error: unknown) => {
    throw unreadable(path, error)
  })
  let closing: Promise<void> | null = null
  return {
    name: path,
    totalBytes,
    chunks: () => fileChunks(handle, path, chunkBytes),
    close: () => {
      closing ??= handle.close()
      return closing
    },
  }
}

async function* guarded(stream: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  try {
    yield* stream
  } catch (error) {
    throw unreadable(name, error)
  }
}

/** Bytes somebody else opened; ending the iteration early destroys a Node stream. */
export const streamChunks = (stream: AsyncIterable<Uint8Array>, name: string): ChunkSource => ({
  name,
  totalBytes: null,
  chunks: () => guarded(stream, name),
  close: async () => {},
})
