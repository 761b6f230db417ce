/** What can go wrong with a file, said in words. */

import { dirname } from 'node:path'
import { errnoOf, messageOf, TidegateError } from '../../errors.js'
import { whyMissing } from './missing.js'

const WORDS: Readonly<Record<string, (path: string) => string>> = {
  EACCES: () => 'permission denied',
  EPERM: () => 'permission denied',
  EISDIR: () => "it is a folder; end it with '/' to have files in it",
  ENOENT: whyMissing,
  ENOTDIR: (path) => `'${dirname(path)}' is not a folder`,
  ENXIO: () => 'it is a named pipe or socket that nobody reads',
  EROFS: () => 'its file system is read-only',
  ENOSPC: () => 'no space left on its disk',
  ENAMETOOLONG: () => 'its name is too long',
}

export const unwritable = (path: string, cause: unknown): TidegateError => {
  const errno = errnoOf(cause)
  const words = errno === undefined ? messageOf(cause) : (WORDS[errno]?.(path) ?? errno)
  return new TidegateError('file_unwritable', `'${path}' cannot be written: ${words}`, {
    fault: 'system',
    where: path,
    cause,
    ...(errno === undefined ? {} : { errno }),
  })
}

export const writeFailed = (path: string, cause: unknown): TidegateError => {
  const errno = errnoOf(cause)
  return new TidegateError('write_failed', `'${path}' could not be written: ${errno ?? messageOf(cause)}`, {
    fault: 'system',
    retryable: true,
    where: path,
    cause,
    ...(errno === undefined ? {} : { errno }),
  })
}

/** The system's own name of what went wrong (`ENOSPC`), or our words. */
export const whyOf = (error: unknown): string =>
  (error instanceof TidegateError ? error.errno : errnoOf(error)) ?? messageOf(error)
