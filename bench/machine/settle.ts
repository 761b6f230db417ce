/** Waiting until a number stays the same. */

import { setTimeout as sleep } from 'node:timers/promises'

const ASK_EVERY_MS = 50

/** Unchanged over this many questions is settled. */
const STEADY = 5

/** Asks until the answer stays the same or `patienceMs` is over; resolves with the last answer. */
export const settled = async (ask: () => number, patienceMs: number): Promise<number> => {
  const deadline = Date.now() + patienceMs
  let last = ask()
  for (let same = 0; same < STEADY && Date.now() < deadline; ) {
    await sleep(ASK_EVERY_MS)
    const now = ask()
    same = now === last ? same + 1 : 0
    last = now
  }
  return last
}
