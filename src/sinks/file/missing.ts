/** Why the system calls something missing where a file was to be made: the folder is, or a symbolic link leads to nothing. */

import { readlinkSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { errnoOf } from '../../errors.js'

/** Where a symbolic link leads, as it is written; null: it is none. */
const linkAt = (path: string): string | null => {
  try {
    return readlinkSync(path)
  } catch {
    return null
  }
}

const isMissing = (path: string): boolean => {
  try {
    statSync(path)
    return false
  } catch (error) {
    return errnoOf(error) === 'ENOENT'
  }
}

/** The outermost folder above `path` that is not there. */
const missingFolder = (path: string): string => {
  const folder = dirname(path)
  const above = dirname(folder)
  return above !== folder && isMissing(above) ? missingFolder(folder) : folder
}

/** Of a path that could not be opened or made, ENOENT. */
export const whyMissing = (path: string): string => {
  const target = linkAt(path.replace(/(?<=.)\/+$/, ''))
  if (target !== null)
    return `it is a symbolic link to '${target}', which does not exist; expected a link to something that does, or no link`
  const folder = missingFolder(path)
  // As /proc, which has only what the system puts there.
  if (!isMissing(folder)) return `the folder '${folder}' takes no new files`
  const folderTarget = linkAt(folder)
  return folderTarget === null
    ? `the folder '${folder}' does not exist`
    : `the folder '${folder}' is a symbolic link to '${folderTarget}', which does not exist; expected a folder`
}
