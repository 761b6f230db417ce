/** A file that a kill may have torn: its last block is cut off if it is not whole. */

import { constants } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { inspectTail, MAX_CUT_BYTES } from '../file/tail.js'

export type Repaired =
  | { readonly kind: 'whole' }
  | { readonly kind: 'cut'; readonly cutBytes: number }
  /** Nothing of it was whole. */
  | { readonly kind: 'removed' }
  /** It is no recording, or damaged in a way that no kill does: it is left as it is. */
  | { readonly kind: 'foreign' }

/** Its times stay what they were: they say when it was written. @throws what the system says. */
export const repairFile = async (path: string): Promise<Repaired> => {
  const handle = await open(path, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0))
  try {
    const { atime, mtime } = await handle.stat()
    const tail = await inspectTail(handle)
    if (tail.kind === 'whole') return { kind: 'whole' }
    if (tail.kind === 'empty' || (tail.kind === 'torn' && tail.offset === 0)) {
      await rm(path, { force: true })
      return { kind: 'removed' }
    }
    if (tail.kind !== 'torn' || tail.cutBytes > MAX_CUT_BYTES) return { kind: 'foreign' }
    await handle.truncate(tail.offset)
    await handle.utimes(atime, mtime)
    return { kind: 'cut', cutBytes: tail.cutBytes }
  } finally {
    await handle.close()
  }
}
