/** What a child that has ended has written is in its pipes still; somebody else may have those open, and never end. */

import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises'

const LAST_WORDS_MS = 50

/** Resolves when all is read that was written by now. To be called on `exit`. */
export const lastWords = async (child: ChildProcess): Promise<void> => {
  const isClosed = await Promise.race([once(child, 'close').then(() => true), pause(LAST_WORDS_MS, false)])
  if (isClosed) return
  // On a machine that is busy the time may be over before anybody has looked at the pipes: each turn of the loop does.
  await turn()
  await turn()
}
