/**
 * The proof that a connection which served one client can serve another: some bytes are sent, and exactly some bytes come
 * back, nothing before them and nothing behind. An upstream answers in order, so whatever the last client was still owed comes
 * first, and is no match. The nonce keeps a client from preparing the answer: it cannot know what will be asked.
 */

import { randomBytes } from 'node:crypto'
import type { ResetConfig } from '../../config/config.js'
import { fillTemplate, NONCE_LENGTH } from '../../core/byte-template.js'
import { messageOf } from '../../errors.js'
import type { Conn } from '../../ports/engine.js'

/** Null when it is proven; else why not, for people. Never rejects. Whoever asks closes a connection that is not. */
export const whyUnclean = async (
  conn: Conn,
  { send, expect, timeoutMs }: ResetConfig,
): Promise<string | null> => {
  const nonce = randomBytes(NONCE_LENGTH / 2).toString('hex')
  const expected = Buffer.from(fillTemplate(expect, nonce))
  let isLate = false
  // Ends whatever is waited for: an upstream that reads nothing holds up the write.
  const timer = setTimeout(() => {
    isLate = true
    conn.destroy()
  }, timeoutMs)
  try {
    await conn.write(fillTemplate(send, nonce))
    let matched = 0
    while (matched < expected.length) {
      const bytes = await conn.read(expected.length - matched, 0)
      if (bytes.length === 0) return 'the upstream ended the connection'
      if (expected.compare(bytes, 0, bytes.length, matched, matched + bytes.length) !== 0)
        return 'the answer is another than expected'
      matched += bytes.length
    }
    const left = await conn.confirm()
    return left === 'clean' ? null : `behind the answer it is ${left.replace('_', '-')}`
  } catch (thrown) {
    return isLate ? `no answer within ${timeoutMs} ms` : messageOf(thrown)
  } finally {
    clearTimeout(timer)
  }
}
