/**
 * Whose a file is. Only what begins with a section header that names the run of a gateway (compressed or not) is ours to cut, compress
 * or remove; everything else that happens to have such a name is somebody else's.
 */

import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import { createPcapngReader } from '../../core/codec/pcapng/reader.js'
import { recordingOf } from '../../core/record/annotation.js'

const GZIP = Buffer.from([0x1f, 0x8b])
const ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])

/** What is read of it: a section header is short, but what is compressed may have to be there by the block (zstd: 128 KiB). */
const HEAD_BYTES = [16 * 1024, 512 * 1024]

/** As the types of the oldest Node do not have it yet. */
const { createZstdDecompress, constants: flush } = zlib as {
  readonly createZstdDecompress?: (options: { readonly finishFlush?: number | undefined }) => Transform
  readonly constants: { readonly Z_SYNC_FLUSH: number; readonly ZSTD_e_flush?: number }
}

/** The run of a gateway that wrote the file, null where it does not say, or cannot be looked into. @throws what the system says. */
export const recordingAt = async (path: string): Promise<string | null> => {
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants
  const handle = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    return await recordingIn(handle)
  } finally {
    await handle.close()
  }
}

/** As {@link recordingAt}, of an open file. */
export const recordingIn = async (handle: FileHandle): Promise<string | null> => {
  if (!(await handle.stat()).isFile()) return null
  for (const length of HEAD_BYTES) {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(length), 0, length, 0)
    const recording = await recordingOfHead(buffer.subarray(0, bytesRead))
    if (recording !== 'more') return recording
    if (bytesRead < length) return null
  }
  return null
}

/** The run that writes files which begin like that. */
export const recordingOfStart = async (sectionStart: Uint8Array): Promise<string | null> => {
  const recording = await recordingOfHead(Buffer.from(sectionStart))
  return recording === 'more' ? null : recording
}

/** `more`: the section header is not all there. */
const recordingOfHead = async (head: Buffer): Promise<string | null | 'more'> => {
  const reader = createPcapngReader()
  try {
    for await (const chunk of expanded(head))
      for (const record of reader.push(chunk))
        return record.kind === 'section' ? recordingOf(record.comments) : null
  } catch {
    // It is not what it begins as.
    return null
  }
  return 'more'
}

/** Chunk by chunk, so that no little file becomes a large one in memory. */
const expanded = (head: Buffer): AsyncIterable<Uint8Array> | Iterable<Uint8Array> => {
  if (begins(head, GZIP)) return through(zlib.createGunzip({ finishFlush: flush.Z_SYNC_FLUSH }), head)
  if (!begins(head, ZSTD)) return [head]
  // Then nobody here can tell.
  if (createZstdDecompress === undefined) throw new Error('this Node has no zstd')
  return through(createZstdDecompress({ finishFlush: flush.ZSTD_e_flush }), head)
}

const through = (decoder: Transform, head: Buffer): Transform => {
  decoder.end(head)
  return decoder
}

const begins = (bytes: Buffer, magic: Buffer): boolean => bytes.subarray(0, magic.length).equals(magic)
