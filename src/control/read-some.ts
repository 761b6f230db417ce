/** The next bytes of a conn that nobody else reads, as an answer instead of an error. */

import { TidegateError } from '../errors.js'
import type { Conn } from '../ports/engine.js'

/** What the next bytes are, or why there are none. `gone`: it was closed here, or linked, meanwhile. */
export type Read = Uint8Array | 'end' | 'timeout' | 'reset' | 'gone'

/** @throws (rejects) what no conn should meet here: a defect. */
export const readSome = async (conn: Conn, maxBytes: number, timeoutMs: number): Promise<Read> => {
  if (timeoutMs <= 0) return 'timeout'
  try {
    const bytes = await conn.read(maxBytes, timeoutMs)
    return bytes.length === 0 ? 'end' : bytes
  } catch (thrown) {
    const code = thrown instanceof TidegateError ? thrown.code : null
    if (code === 'read_timeout') return 'timeout'
    if (code === 'connection_reset') return 'reset'
    if (code === 'aborted') return 'gone'
    throw thrown
  }
}
