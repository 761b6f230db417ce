/** Where libuv has to be handled with care, or asked what Node has no public way to ask. */

import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Address } from '../../core/address.js'

/** A TCP socket of its own: not a pipe, nor TLS on top of one. Only such a one can be reset. */
export const asTcp = (stream: Duplex, local: Address): Socket | null =>
  stream instanceof Socket && local.kind === 'tcp' && !('encrypted' in stream) ? stream : null

/**
 * Closes with RST. libuv refuses that while a shutdown is under way, and Node then forgets the descriptor open; the
 * shutdown takes one turn of the loop, so it is waited for.
 */
export const resetTcp = (socket: Socket): void => {
  if (socket.writableEnded && !socket.writableFinished && socket.writableLength === 0)
    socket.once('finish', () => socket.resetAndDestroy())
  else socket.resetAndDestroy()
}

const NOTHING = new Uint8Array(0)

/**
 * Calls `onEnd` if an end of file is one. libuv takes a reset right behind the last bytes for an end too (it sees POLLHUP
 * after a short read, and reads no further). A write of nothing tells: the kernel answers it with the pending error,
 * which then breaks the socket. Once our own FIN is out the kernel does not say, and the end is taken as it comes.
 */
export const confirmEnd = (socket: Socket, onEnd: () => void): void => {
  if (socket.writableEnded) onEnd()
  // What is pending is written on this turn, and meets the error itself.
  else if (socket.writableLength > 0) setImmediate(onEnd)
  else {
    socket.write(NOTHING, (error) => {
      if (!error) onEnd()
    })
  }
}

/**
 * How many bytes libuv still has to write to a stream's socket. A chunk that a slow reader drains bit by bit is
 * otherwise no movement until its last byte; `socket.setTimeout` looks at the same figure. Where there is none
 * only whole chunks count.
 */
export const queuedBytes = (stream: Duplex): number => {
  const handle: unknown = Reflect.get(stream, '_handle')
  const queued =
    typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'writeQueueSize') : undefined
  return typeof queued === 'number' ? queued : stream.writableLength
}
