/** What the listeners of all engines have in common. */

import type { UnixAddress } from '../../core/address.js'
import { TidegateError } from '../../errors.js'
import { listenError } from './errors.js'
import { type PathState, reclaimPath } from './unix-path.js'

/** As HAProxy and nginx have it in common practice: a burst waits, a flood does not. The kernel caps it (somaxconn). */
export const DEFAULT_BACKLOG = 4096

/**
 * Takes a stale socket out of the way of another try to bind. @throws TidegateError (rejects) when what is there must stay;
 * `taken` is what the first try failed with.
 */
export const makeRoom = async (address: UnixAddress, taken: unknown): Promise<void> => {
  const { path } = address
  let state: PathState
  try {
    state = await reclaimPath(path)
  } catch (thrown) {
    throw listenError(address, thrown)
  }
  if (state === 'live') throw listenError(address, taken)
  if (state === 'not_a_socket') {
    throw new TidegateError(
      'address_in_use',
      `cannot listen on unix:${path}: something that is not a socket is there (EADDRINUSE)`,
      { fault: 'usage', where: `unix:${path}`, errno: 'EADDRINUSE', cause: taken },
    )
  }
}
