/** What a thread that died has left open is closed by another one. */

import { asAnyFd } from './ffi/descriptors.js'
import { type DescriptorLedger, markOf } from './ffi/ledger.js'
import { Libc } from './ffi/libc.js'
import { vacate } from './halt.js'
import { forgetPromises } from './promises.js'

/**
 * Closes every descriptor that `owner` has in the ledger, and tells how many those were. Its clients and upstreams see a
 * close. Only when its thread has ended (a Worker's `exit` event); `owner` is free for another one then.
 * @throws TidegateError `engine_unavailable`.
 */
export const closeDescriptorsOf = (ledger: DescriptorLedger, owner: number): number => {
  const libc = new Libc({ ledger, owner })
  const { marks } = ledger
  const mark = markOf(owner)
  let closed = 0
  for (let fd = marks.indexOf(mark); fd !== -1; fd = marks.indexOf(mark, fd + 1)) {
    libc.close(asAnyFd(fd))
    closed++
  }
  forgetPromises(ledger, owner)
  vacate({ ledger, owner })
  return closed
}
