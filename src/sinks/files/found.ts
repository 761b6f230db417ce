/** The files of a series that earlier runs have left: which they are, and whether one is what its name says. */

import { constants, type Dirent } from 'node:fs'
import { open, opendir, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import * as zlib from 'node:zlib'
import { type PathTemplate, type SeriesMember, seriesOf } from '../../core/record/files/template.js'

export interface FoundFile extends SeriesMember {
  readonly path: string
  readonly bytes: number
  readonly modifiedMs: number
}

/** All that the template could have made below `base`; links are not followed. @throws what the system says. */
export const findSeries = async function* (base: string, template: PathTemplate): AsyncIterable<FoundFile> {
  const memberOf = seriesOf(template)
  yield* findIn(base, template.folders.length, (path) => memberOf(relative(base, path).split(sep).join('/')))
}

const findIn = async function* (
  folder: string,
  depth: number,
  memberOf: (path: string) => SeriesMember | null,
): AsyncIterable<FoundFile> {
  for await (const entry of await opendir(folder)) {
    const path = join(folder, entry.name)
    if (depth > 0 && entry.isDirectory()) yield* readable(findIn(path, depth - 1, memberOf))
    else if (depth === 0) yield* found(entry, path, memberOf(path))
  }
}

const found = async function* (entry: Dirent, path: string, member: SeriesMember | null) {
  if (member === null || !entry.isFile()) return
  try {
    const { size, mtimeMs } = await stat(path)
    yield { ...member, path, bytes: size, modifiedMs: mtimeMs }
  } catch {
    // It has gone meanwhile.
  }
}

/** A folder that may not be read has nothing of ours in it. */
const readable = async function* (files: AsyncIterable<FoundFile>): AsyncIterable<FoundFile> {
  try {
    yield* files
  } catch {
    // As said.
  }
}

/** pcapng's section header, the same in both byte orders. */
const PCAPNG = Buffer.from([0x0a, 0x0d, 0x0d, 0x0a])
const GZIP = Buffer.from([0x1f, 0x8b])
const ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])

/** Enough for the first few bytes of what is compressed, and never much memory. */
const HEAD_BYTES = 1024

/** Whether it begins as a recording does, compressed or not. Anything else that has such a name is somebody else's. */
export const isRecording = async (path: string): Promise<boolean> => {
  const handle = await open(
    path,
    constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0),
  )
  try {
    if (!(await handle.stat()).isFile()) return false
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
    const head = buffer.subarray(0, bytesRead)
    if (begins(head, PCAPNG) || begins(head, ZSTD)) return true
    return begins(head, GZIP) && begins(gunzippedHead(head), PCAPNG)
  } finally {
    await handle.close()
  }
}

const begins = (bytes: Buffer, magic: Buffer): boolean => bytes.subarray(0, magic.length).equals(magic)

const gunzippedHead = (head: Buffer): Buffer => {
  try {
    return zlib.gunzipSync(head, { finishFlush: zlib.constants.Z_SYNC_FLUSH })
  } catch {
    return Buffer.alloc(0)
  }
}
