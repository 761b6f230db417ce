/** How a link's end is told apart, and what its sockets are closed with. */

import type { CloseReason } from '../../core/close-reason.js'

/** Whoever waits for one of these must not take it for an orderly end. */
export const ENDS_WITH_RESET: ReadonlySet<CloseReason> = new Set([
  'client_reset',
  'upstream_reset',
  'denied',
  'killed',
  'error',
])

/** `Promise.withResolvers`, which Node 20 does not have yet. */
export const withResolver = <T>(): { promise: Promise<T>; resolve: (value: T) => void } => {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
