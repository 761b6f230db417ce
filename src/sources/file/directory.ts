/**
 * The files of a directory that may be recordings, at any depth. Links are not followed, so that nothing is read twice.
 *
 * - `.part`, `.partial`: somebody still writes them; never taken
 * - twin: `NAME.gz` or `NAME.zst` beside `NAME`, which a gateway leaves that was killed while it compressed; NAME is taken
 */

import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf } from '../../errors.js'
import { unreadable } from './chunks.js'

const UNFINISHED = /\.(part|partial)$/
const COMPRESSED = /\.(gz|zst)$/
const RECORDING = /\.(pcapng|pcap|bin|gogetway)(\.(gz|zst))?$/i

/** Whether a file's name says that it is a recording, so that it is told of if it cannot be read as one. */
export const isNamedAsRecording = (path: string): boolean => RECORDING.test(path)

const isTwin = (name: string, names: ReadonlySet<string>): boolean =>
  COMPRESSED.test(name) && names.has(name.replace(COMPRESSED, ''))

/** Paths below `directory`, by name. @throws TidegateError (rejects) `file_unreadable`. */
export async function* candidates(directory: string): AsyncGenerator<string> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: unknown) => {
    throw unreadable(directory, error)
  })
  const files = new Set(entries.filter((entry) => entry.isFile()).map(({ name }) => name))
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) yield* candidates(path)
    else if (entry.isFile() && !UNFINISHED.test(entry.name) && !isTwin(entry.name, files)) yield path
  }
}

const SUFFIXES = ['', '.gz', '.zst'] as const

/**
 * The path that has a file's contents now: a gateway may compress a file, or remove it, after a directory was listed. Null: it is gone.
 * @throws TidegateError (rejects) `file_unreadable`.
 */
export const presentPath = async (path: string): Promise<string | null> => {
  for (const suffix of SUFFIXES) {
    const found = await stat(path + suffix).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return null
      throw unreadable(path, error)
    })
    if (found !== null) return path + suffix
  }
  return null
}
