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

/** Whether a path is of a compressed file; with `of`, whether it is what compressing that file gives. */
export const isCompressed = (path: string, of = path.replace(COMPRESSED, '')): boolean =>
  COMPRESSED.test(path) && path.replace(COMPRESSED, '') === of

export interface Folder {
  /** Paths of files that may be recordings, by name. */
  readonly files: readonly string[]
  readonly folders: readonly string[]
}

/** What is in a directory itself. @throws TidegateError (rejects) `file_unreadable`. */
export const listFolder = async (directory: string): Promise<Folder> => {
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: unknown) => {
    throw unreadable(directory, error)
  })
  const names = new Set(entries.filter((entry) => entry.isFile()).map(({ name }) => name))
  const pathsOf = (found: readonly { readonly name: string }[]): readonly string[] =>
    found.map(({ name }) => join(directory, name)).sort()
  return {
    files: pathsOf(
      entries.filter((entry) => entry.isFile() && !UNFINISHED.test(entry.name) && !isTwin(entry.name, names)),
    ),
    folders: pathsOf(entries.filter((entry) => entry.isDirectory())),
  }
}

/** Files below `directory` that may be recordings. @throws TidegateError (rejects) `file_unreadable`. */
export async function* candidates(directory: string): AsyncGenerator<string> {
  const { files, folders } = await listFolder(directory)
  yield* files
  for (const folder of folders) yield* candidates(folder)
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
