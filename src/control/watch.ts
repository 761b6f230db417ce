/** Puts together who reads along on one link: the recorder's tap, the observers, and the inspect hook. */

import type { Direction } from '../core/direction.js'
import type { ConnectionRecord } from '../core/session/record.js'
import type { LinkedConnection, LinkWatch } from '../ports/control.js'
import type { Link } from '../ports/engine.js'
import { type ConnectionObserver, type Inspect, transformByHook } from './hooks.js'
import type { ConnectionTap } from './recording/recording.js'

export interface Watchers {
  readonly inspect: Inspect | undefined
  readonly observers: readonly ConnectionObserver[]
}

type OnData = (chunk: Uint8Array, direction: Direction) => void

/** One function for all that want the bytes, or none at all: then the engine may move them where nobody can look. */
const dataWatch = (
  tap: ConnectionTap | null,
  observers: readonly ConnectionObserver[],
  connection: LinkedConnection,
): OnData | undefined => {
  const readers = observers.filter((observer) => observer.onData !== undefined)
  if (readers.length === 0) return tap === null ? undefined : (chunk, direction) => tap.data(chunk, direction)
  return (chunk, direction) => {
    tap?.data(chunk, direction)
    for (const reader of readers) reader.onData?.(connection, chunk, direction)
  }
}

/** Tells the observers that it is open, and returns what they and the tap want to see. May throw what a hook throws. */
export const watchLink = (
  { inspect, observers }: Watchers,
  tap: ConnectionTap | null,
  connection: LinkedConnection,
  link: () => Link | null,
): LinkWatch => {
  for (const observer of observers) observer.onOpen?.(connection)
  const onData = dataWatch(tap, observers, connection)
  return {
    ...(inspect === undefined ? {} : { transform: transformByHook(inspect, connection, link) }),
    ...(onData === undefined ? {} : { onData }),
    onEndOfStream: (direction) => {
      tap?.endOfStream(direction)
      for (const observer of observers) observer.onEndOfStream?.(connection, direction)
    },
  }
}

/** Tells every observer of the end; what one of them throws goes to `onFault` and stops nobody. */
export const tellClosed = (
  observers: readonly ConnectionObserver[],
  record: ConnectionRecord,
  onFault: (thrown: unknown) => void,
): void => {
  for (const observer of observers) {
    try {
      observer.onClose?.(record)
    } catch (thrown) {
      onFault(thrown)
    }
  }
}
