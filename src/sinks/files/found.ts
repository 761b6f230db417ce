/** The files of a series that earlier runs have left: which they are, by their names. */

import type { Dirent } from 'node:fs'
import { opendir, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
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
