/**
 * Reads a PROXY header out of the bytes so far. What it has said of some bytes (other than `need_more`) it says whatever
 * follows them, so that it does not matter in which pieces they come.
 *
 * It is as strict as the protocol asks: what begins as a header and is not exactly one is invalid, never guessed at.
 */

import { type ProxyParse, V1_PREFIX, V2_SIGNATURE } from './header.js'
import { parseV1 } from './parse-v1.js'
import { parseV2 } from './parse-v2.js'

const beginsAs = (bytes: Uint8Array, expected: Uint8Array): boolean => {
  const length = Math.min(bytes.length, expected.length)
  for (let at = 0; at < length; at++) if (bytes[at] !== expected[at]) return false
  return true
}

/**
 * `bytes`: all that has arrived of the connection. At most {@link MAX_PROXY_HEADER_BYTES} are looked at; whoever has
 * that many has another answer than `need_more`.
 */
export const parseProxyHeader = (bytes: Uint8Array): ProxyParse => {
  if (beginsAs(bytes, V1_PREFIX))
    return bytes.length < V1_PREFIX.length ? { kind: 'need_more' } : parseV1(bytes)
  if (!beginsAs(bytes, V2_SIGNATURE)) return { kind: 'no_match' }
  return bytes.length < V2_SIGNATURE.length ? { kind: 'need_more' } : parseV2(bytes)
}
