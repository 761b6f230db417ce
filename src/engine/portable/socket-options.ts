/** What every socket of this engine is opened with. */

import type { SocketOptions } from '../../ports/engine.js'

/**
 * Node's own read-ahead is switched off: while a socket is paused at most the one chunk that is under way is kept in
 * the stream, so that the bound on a link's memory is ours to keep.
 */
export const STREAM_HIGH_WATER_MARK = 1

/** libuv reads at most this much at a time. */
export const READ_BYTES = 64 * 1024

/** The kernel counts keep-alive in seconds, and refuses 0. */
const MIN_KEEP_ALIVE_MS = 1000

export const tcpOptions = (
  options: SocketOptions,
): { noDelay: boolean; keepAlive: boolean; keepAliveInitialDelay: number } => {
  const keepAliveMs = options.keepAliveMs ?? 0
  return {
    noDelay: options.noDelay ?? true,
    keepAlive: keepAliveMs > 0,
    keepAliveInitialDelay: keepAliveMs > 0 ? Math.max(keepAliveMs, MIN_KEEP_ALIVE_MS) : 0,
  }
}
