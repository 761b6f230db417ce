/** Names of files, forced to the disk as their contents are by fsync. */

import { closeSync, constants, fsyncSync, openSync } from 'node:fs'

/** So that the names in it survive a power failure. Where folders cannot be opened (Windows), the system sees to it. */
export const syncFolder = (folder: string): void => {
  if (process.platform === 'win32') return
  const descriptor = openSync(folder, constants.O_RDONLY)
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
