/** A file that a kill may have torn: its last block is cut off if it is not whole. */

import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { type Lock, lockFile } from '../file/lock.js'
import { inspectTail, MAX_CUT_BYTES } from '../file/tail.js'
import { recordingIn } from './origin.js'

export type Repaired =
  | { readonly kind: 'whole' }
  | { readonly kind: 'cut'; readonly cutBytes: number }
  /** In a way that no kill does: it is left as it is. */
  | { readonly kind: 'damaged'; readonly offset: number; readonly why: string }
  /** No recording of ours, or nothing of it was whole: it is left as it is. */
  | { readonly kind: 'foreign' }
  /** Somebody records to it. */
  | { readonly kind: 'taken' }

/** Its times stay what they were: they say when it was written. @throws what the system says. */
export const repairFile = async (path: string): Promise<Repaired> => {
  const handle = await open(path, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0))
  let lock: Lock | null = null
  try {
    const { atime, mtime } = await handle.stat()
    if ((await recordingIn(handle)) === null) return { kind: 'foreign' }
    lock = await lockFile(await handle.stat({ bigint: true }))
    if (lock === null) return { kind: 'taken' }
    const tail = await inspectTail(handle)
    switch (tail.kind) {
      case 'whole':
        return { kind: 'whole' }
      case 'damaged':
        return { kind: 'damaged', offset: tail.offset, why: tail.message }
      case 'torn':
        break
      default:
        return { kind: 'foreign' }
    }
    const { offset, cutBytes } = tail
    if (cutBytes > MAX_CUT_BYTES)
      return { kind: 'damaged', offset, why: `no whole block in ${cutBytes} bytes` }
    await handle.truncate(offset)
    await handle.utimes(atime, mtime)
    return { kind: 'cut', cutBytes }
  } finally {
    lock?.release()
    await handle.close()
  }
}
