/**
 * The folder that all files of a series are in. It is the user's own choice, links and all; what is below it is made by us, for its
 * owner only, and looked at each time a file is begun, so that no link leads out.
 */

import { constants, mkdirSync, realpathSync } from 'node:fs'
import { access, mkdir, realpath, stat } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { errnoOf, TidegateError } from '../../errors.js'
import { unwritable } from '../file/failure.js'
import { type Lock, lockFile } from '../file/lock.js'
import { syncFolder } from '../file/sync-folder.js'

const OWNER_ONLY = 0o700

/** Where a series is recorded to, ready to be written by whoever has the lock. */
export interface SeriesPlace {
  /** Without links. */
  readonly base: string
  close(): Promise<void>
}

/**
 * Makes the base folder if it is not there, and keeps other recorders of the same series away.
 * @param name what of the template follows the base: two series in one folder are two.
 * @throws TidegateError (rejects) `file_unwritable`
 */
export const openSeriesPlace = async (folder: string, name: string): Promise<SeriesPlace> => {
  try {
    await makeFolders(resolve(folder))
    const base = await realpath(folder)
    await access(base, constants.W_OK | constants.X_OK)
    return { base, close: await locked(base, name) }
  } catch (error) {
    if (error instanceof TidegateError) throw error
    throw errnoOf(error) === 'EEXIST' ? notFolder(folder) : unwritable(folder, error)
  }
}

/** One by one: Node's own recursion does not come back where a parent is there and cannot have children (/proc). */
const makeFolders = async (folder: string): Promise<void> => {
  try {
    await mkdir(folder, OWNER_ONLY)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'EEXIST' && (await stat(folder)).isDirectory()) return
    if (errno !== 'ENOENT' || dirname(folder) === folder) throw error
    await makeFolders(dirname(folder))
    await mkdir(folder, OWNER_ONLY)
  }
}

const locked = async (base: string, name: string): Promise<() => Promise<void>> => {
  const { dev, ino } = await stat(base, { bigint: true })
  const lock: Lock | null = await lockFile({ dev, ino, name })
  if (lock !== null) return async () => lock.release()
  const path = join(base, name)
  throw new TidegateError('file_unwritable', `'${path}' is being recorded to already; choose another --out`, {
    fault: 'usage',
    where: path,
  })
}

const notFolder = (folder: string): TidegateError =>
  new TidegateError('file_unwritable', `'${folder}' cannot be written: it is not a folder`, {
    fault: 'usage',
    where: folder,
  })

/** Makes the folders below the base, where they are missing. @throws what the system says, or that a link leads out. */
export const folderBelow = (base: string, folders: readonly string[], durable: boolean): string => {
  let folder = base
  for (const name of folders) {
    const parent = folder
    folder = join(folder, name)
    try {
      mkdirSync(folder, OWNER_ONLY)
      if (durable) syncFolder(parent)
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error
    }
  }
  const real = realpathSync.native(folder)
  if (real !== base && !real.startsWith(base.endsWith(sep) ? base : base + sep))
    throw new TidegateError('write_failed', 'a link leads out of its folder', {
      fault: 'system',
      where: folder,
    })
  return real
}
