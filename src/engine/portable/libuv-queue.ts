/**
 * How many bytes libuv still has to write to a stream's socket. Node has no public way to ask, and a chunk that a slow
 * reader drains bit by bit is otherwise no movement until its last byte; `socket.setTimeout` looks at the same
 * figure. Undefined where there is none: then only whole chunks count.
 */

import type { Duplex } from 'node:stream'

export const libuvQueue = (stream: Duplex): number | undefined => {
  const handle: unknown = Reflect.get(stream, '_handle')
  if (typeof handle !== 'object' || handle === null || !('writeQueueSize' in handle)) return undefined
  return typeof handle.writeQueueSize === 'number' ? handle.writeQueueSize : undefined
}
