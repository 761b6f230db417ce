/** A spool's folder: made if it is missing, kept from other gateways, and what an earlier run has left in it. */

import { constants } from 'node:fs'
import { access, mkdir, readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { errnoOf, messageOf, TidegateError } from '../../errors.js'
import { type Lock, lockFile } from '../file/lock.js'
import { whyMissing } from '../file/missing.js'
import { syncFolder } from '../file/sync-folder.js'
import { type LeftSegment, segmentNumber } from './segments.js'

export interface SpoolDir {
  readonly dir: string
  /** Of earlier runs, oldest first. */
  readonly left: readonly LeftSegment[]
  /** Number of the first segment of this run. */
  readonly next: number
  /** Idempotent. */
  release(): void
}

/** As its files: it holds all that was said. */
const OWNER_ONLY = 0o700

const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'its file system is read-only',
  ENOTDIR: 'something on the way to it is not a folder',
  ENOSPC: 'no space left on its disk',
  ENAMETOOLONG: 'its name is too long',
}

const unusable = (
  dir: string,
  why: string,
  more: { cause?: unknown; fault?: 'usage' } = {},
): TidegateError => {
  const errno = errnoOf(more.cause)
  return new TidegateError('file_unwritable', `the spool '${dir}' cannot be used: ${why}`, {
    fault: more.fault ?? 'system',
    where: dir,
    ...(more.cause === undefined ? {} : { cause: more.cause }),
    ...(errno === undefined ? {} : { errno }),
  })
}

const failed = (dir: string, cause: unknown): TidegateError => {
  const errno = errnoOf(cause)
  if (errno === undefined) return unusable(dir, messageOf(cause), { cause })
  return unusable(dir, errno === 'ENOENT' ? whyMissing(dir) : (WORDS[errno] ?? errno), { cause })
}

/** Makes the last folder of the path if it is missing. */
const ensureFolder = async (dir: string): Promise<void> => {
  try {
    await mkdir(dir, { mode: OWNER_ONLY })
    syncFolder(dirname(dir))
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
  }
}

const segmentsIn = async (dir: string): Promise<readonly LeftSegment[]> => {
  const found: LeftSegment[] = []
  for (const name of await readdir(dir)) {
    const number = segmentNumber(name)
    if (number === null) continue
    const file = await stat(join(dir, name))
    if (file.isFile()) found.push({ number, bytes: file.size })
  }
  return found.sort((a, b) => a.number - b.number)
}

/** Damaged segments keep their numbers to themselves as well. */
const nextNumber = async (dir: string): Promise<number> => {
  const numbers = (await readdir(dir)).map((name) => segmentNumber(name.replace(/\.damaged$/, '')) ?? 0)
  return numbers.reduce((highest, number) => Math.max(highest, number), 0) + 1
}

/**
 * Takes a folder for a spool. The folder that it is in must exist.
 * @throws TidegateError (rejects) `file_unwritable`: it cannot be made or used, or another gateway has it.
 */
export const openSpoolDir = async (dir: string): Promise<SpoolDir> => {
  let lock: Lock | null = null
  try {
    await ensureFolder(dir)
    const folder = await stat(dir, { bigint: true })
    if (!folder.isDirectory()) throw unusable(dir, 'it is not a folder', { fault: 'usage' })
    await access(dir, constants.R_OK | constants.W_OK | constants.X_OK)
    lock = await lockFile(folder)
    if (lock === null)
      throw unusable(dir, 'another gateway has it; each needs a folder of its own', { fault: 'usage' })
    const { release } = lock
    return { dir, left: await segmentsIn(dir), next: await nextNumber(dir), release: () => release() }
  } catch (error) {
    lock?.release()
    throw error instanceof TidegateError ? error : failed(dir, error)
  }
}
