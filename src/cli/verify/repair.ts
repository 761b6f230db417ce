/** Cutting what is left of a record that a recording ends in, so that it is whole again. */

import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { TidegateError } from '../../errors.js'
import { unwritable } from '../../sinks/file/failure.js'
import { lockFile } from '../../sinks/file/lock.js'
import type { FileDamage } from '../../sources/file/capture.js'

const refuse = (path: string, why: string): TidegateError =>
  new TidegateError('file_damaged', `'${path}' is not repaired: ${why}`, { fault: 'usage', where: path })

const cut = async (handle: FileHandle, path: string, offset: number, bytesRead: number): Promise<number> => {
  const { size, dev, ino } = await handle.stat({ bigint: true })
  const lock = await lockFile({ dev, ino })
  if (lock === null) throw refuse(path, 'it is being recorded to right now')
  try {
    if (Number(size) !== bytesRead) throw refuse(path, 'it has changed since it was read')
    const cutBytes = bytesRead - offset
    if (offset === 0) throw refuse(path, 'it has no whole record, so nothing of it would be left')
    // Whoever knows nothing of our locks may have written on meanwhile: as little as possible is between this look and the cut.
    if ((await handle.stat()).size !== bytesRead) throw refuse(path, 'it is being written')
    await handle.truncate(offset)
    return cutBytes
  } finally {
    lock.release()
  }
}

/**
 * Cuts a torn file at the damage; returns how many bytes were cut off.
 * @throws TidegateError (rejects) `file_damaged` when it is not simply torn, is compressed, or somebody writes it;
 *   `file_unwritable`.
 */
export const cutTail = async ({
  file: path,
  offset,
  torn,
  compressed,
  bytesRead,
}: FileDamage): Promise<number> => {
  if (compressed) throw refuse(path, 'it is compressed: decompress it, and repair what comes out')
  if (!torn) throw refuse(path, 'only a file that is cut short can be, and this one is damaged inside')
  const handle = await open(path, constants.O_RDWR).catch((error: unknown) => {
    throw unwritable(path, error)
  })
  try {
    return await cut(handle, path, offset, bytesRead)
  } catch (error) {
    throw error instanceof TidegateError ? error : unwritable(path, error)
  } finally {
    await handle.close()
  }
}
