/** What is known of a worker's connection from shared memory alone: its line of the live list, and its account if the worker died. */

import type { ConnectionRecord, LiveConnection } from '../../core/session/record.js'
import { messageOf, TidegateError } from '../../errors.js'
import type { LiveSlot } from './live-slots.js'

/** `now`: by `processNow`. */
export const liveConnection = (slot: LiveSlot, listener: string, now: number): LiveConnection => {
  const { id, client, state, upstream, acceptedAt, bytes, attempts, lastFailure } = slot
  const ageMs = Math.max(0, now - acceptedAt)
  return { id, listener, client, state, upstream, ageMs, bytes, attempts, lastFailure }
}

/** `bytes` are those of the last refresh; how long what took, nobody knows any more. */
export const lostRecord = (
  { id, client, upstream, startedAt, acceptedAt, bytes, attempts }: LiveSlot,
  listener: string,
  now: number,
  why: Error,
): ConnectionRecord => ({
  id,
  listener,
  client,
  upstream,
  reason: 'error',
  error: new TidegateError('worker_failed', `its worker failed: ${messageOf(why)}`, {
    fault: 'internal',
    cause: why,
  }),
  startedAt,
  times: { routed: null, queued: null, woke: null, dialled: null, total: Math.max(0, now - acceptedAt) },
  bytes,
  attempts,
})

/** A gateway whose worker does not come up does not start. */
export const startFailed = (worker: number, thrown: unknown): TidegateError =>
  new TidegateError('worker_failed', `worker ${worker} did not start: ${messageOf(thrown)}`, {
    fault: 'internal',
    cause: thrown,
  })
