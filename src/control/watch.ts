/** Puts together who reads along on one link: the recorder's tap, the observers, and the inspect hook. */

import type { Direction } from '../core/direction.js'
import type { ConnectionRecord } from '../core/session/record.js'
import type { LinkedConnection, LinkWatch } from '../ports/control.js'
import type { Link } from '../ports/engine.js'
import { type ConnectionObserver, hookFailed, type Inspect, isPromise, transformByHook } from './hooks.js'
import type { ConnectionTap } from './recording/recording.js'

export interface Watchers {
  readonly inspect: Inspect | undefined
  readonly observers: readonly ConnectionObserver[]
}

type OnFault = (thrown: unknown) => void

/** Nobody waits for an observer that answers with a promise, but it must not fail unnoticed: that would end the process. */
const mind = (answer: unknown, onFault: OnFault): void => {
  if (isPromise(answer)) answer.then(undefined, onFault)
}

type OnData = (chunk: Uint8Array, direction: Direction) => void

/** One function for all that want the bytes, or none at all: then the engine may move them where nobody can look. */
const dataWatch = (
  tap: ConnectionTap | null,
  observers: readonly ConnectionObserver[],
  connection: LinkedConnection,
  onFault: OnFault,
): OnData | undefined => {
  const readers = observers.filter((observer) => observer.onData !== undefined)
  if (readers.length === 0) return tap === null ? undefined : (chunk, direction) => tap.data(chunk, direction)
  return (chunk, direction) => {
    for (const reader of readers) mind(reader.onData?.(connection, chunk, direction), onFault)
    // Last: what a reader refused by throwing is not forwarded, so it is not recorded.
    tap?.data(chunk, direction)
  }
}

/** Others want to hear of the end only. */
export const watchesLinks = ({ onOpen, onData, onEndOfStream }: ConnectionObserver): boolean =>
  onOpen !== undefined || onData !== undefined || onEndOfStream !== undefined

/** Shared: most connections have nobody. */
const NOBODY: LinkWatch = {}

/** Tells the observers that it is open, and returns what they and the tap want to see. May throw what a hook throws. */
export const watchLink = (
  { inspect, observers }: Watchers,
  tap: ConnectionTap | null,
  connection: LinkedConnection,
  link: () => Link | null,
): LinkWatch => {
  if (inspect === undefined && tap === null && !observers.some(watchesLinks)) return NOBODY
  const endLink: OnFault = (thrown) => link()?.destroy('error', hookFailed(thrown))
  for (const observer of observers) mind(observer.onOpen?.(connection), endLink)
  const onData = dataWatch(tap, observers, connection, endLink)
  return {
    ...(inspect === undefined ? {} : { transform: transformByHook(inspect, connection, link) }),
    ...(onData === undefined ? {} : { onData }),
    onEndOfStream: (direction) => {
      tap?.endOfStream(direction)
      for (const observer of observers) mind(observer.onEndOfStream?.(connection, direction), endLink)
    },
  }
}

/** Tells every observer of the end; what one of them throws or rejects with goes to `onFault` and stops nobody. */
export const tellClosed = (
  observers: readonly ConnectionObserver[],
  record: ConnectionRecord,
  onFault: OnFault,
): void => {
  for (const observer of observers) {
    try {
      mind(observer.onClose?.(record), onFault)
    } catch (thrown) {
      onFault(thrown)
    }
  }
}
