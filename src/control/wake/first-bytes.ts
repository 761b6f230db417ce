/** Waits for a client's first bytes, and says whether they wake a service. They stay the client's: whoever reads next gets them. */

import { joined } from '../../core/bytes.js'
import { type GuardVerdict, judgeFirstBytes } from '../../core/wake/guard.js'
import type { Conn } from '../../ports/engine.js'
import { readSome } from '../read-some.js'
import type { WakeSettings } from './settings.js'

const NOTHING = new Uint8Array(0)

/** A read cannot be taken back: so long at most a silent client waits although the service runs meanwhile. */
const LOOK_EVERY_MS = 250

/** `silent`: nothing that decides has come, and the client has ended or the time is over. `gone`: it is nobody's business any more. */
export type FirstBytes = Exclude<GuardVerdict, 'more'> | 'silent' | 'gone'

export const readFirstBytes = async (
  client: Conn,
  { match, dataTimeoutMs }: Pick<WakeSettings, 'match' | 'dataTimeoutMs'>,
  isServedAnyway: () => boolean,
): Promise<FirstBytes> => {
  const longest = Math.max(1, ...match.map(({ length }) => length))
  const deadline = performance.now() + dataTimeoutMs
  let bytes: Uint8Array = NOTHING
  for (;;) {
    const left = Math.ceil(deadline - performance.now())
    const read = await readSome(client, longest - bytes.length, Math.min(left, LOOK_EVERY_MS))
    if (read === 'timeout' && left > LOOK_EVERY_MS && !isServedAnyway()) continue
    if (read === 'gone' || read === 'reset') return 'gone'
    if (typeof read === 'string') {
      client.unread(bytes)
      return 'silent'
    }
    bytes = joined([bytes, read])
    const verdict = judgeFirstBytes(bytes, match)
    if (verdict === 'more') continue
    client.unread(bytes)
    return verdict
  }
}
