/**
 * The proof that a connection which served one client can serve another: some bytes are sent, and exactly some bytes come
 * back, nothing before them and nothing behind. An upstream answers in order, so whatever the last client was still owed comes
 * first, and is no match. The nonce keeps a client from preparing the answer: it cannot know what will be asked.
 */

import { randomBytes } from 'node:crypto'
import type { ResetConfig } from '../../config/config.js'
import { fillTemplate, NONCE_LENGTH } from '../../core/byte-template.js'
import type { Conn } from '../../ports/engine.js'

/** Never rejects. Whoever asks closes a connection that is not. */
export const isProvenClean = async (
  conn: Conn,
  { send, expect, timeoutMs }: ResetConfig,
): Promise<boolean> => {
  const nonce = randomBytes(NONCE_LENGTH / 2).toString('hex')
  const expected = Buffer.from(fillTemplate(expect, nonce))
  // Ends whatever is waited for: an upstream that reads nothing holds up the write.
  const timer = setTimeout(() => conn.destroy(), timeoutMs)
  try {
    await conn.write(fillTemplate(send, nonce))
    let matched = 0
    while (matched < expected.length) {
      const bytes = await conn.read(expected.length - matched, 0)
      if (bytes.length === 0) return false
      if (expected.compare(bytes, 0, bytes.length, matched, matched + bytes.length) !== 0) return false
      matched += bytes.length
    }
    return (await conn.confirm()) === 'clean'
  } catch {
    return false
  } finally {
    clearTimeout(timer)
  }
}
