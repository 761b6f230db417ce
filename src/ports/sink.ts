/**
 * The sink port: a place for recordings that is not a file, e.g. a database or a message queue. It gets what connections
 * said as records, in batches. docs/sinks.md shows how to write one, and `tidegate/testing` has the suite it must pass.
 *
 * - order: the records of one connection come in the order they happened, over all batches
 * - at least once: after a failure, or a restart of the gateway, records may come again. They have the same key then
 *   (`frameId` for bytes), so that a sink, or whoever reads it, can tell
 * - backpressure: one batch at a time; meanwhile what comes is kept on disk (the spool), up to its bound
 * - nothing is acknowledged that is not stored: the spool forgets a batch once `write` has resolved
 */

import type { SinkRecord } from '../core/record/delivery/sink-record.js'

export {
  type CloseRecord,
  type ConnectionKey,
  type DataRecord,
  type FinRecord,
  frameId,
  type GapRecord,
  type OpenRecord,
  type SinkRecord,
} from '../core/record/delivery/sink-record.js'

export interface Sink {
  /** Where, for people, without secrets: `postgres://db.internal/traffic`. */
  readonly where: string
  /**
   * Makes it ready: connects, creates what is missing. Called before the first batch, and again before the next one after any
   * failure of `open` or `write`; it has to clear away what is left of a connection that broke.
   * @throws TidegateError (rejects) saying what is wrong. `fault: 'usage'` (bad password, no such database, a newer schema): at the
   * gateway's start this is the user's error, and the gateway does not start. Anything else counts as "away" and is tried again.
   */
  open(): Promise<void>
  /**
   * Stores the whole batch, which is never empty. Resolves only when all of it is stored for good; rejects otherwise, and then
   * the same batch comes again, whatever of it was stored. One call at a time. `signal` aborts when nobody waits any more: then it should
   * reject soon.
   */
  write(batch: readonly SinkRecord[], signal: AbortSignal): Promise<void>
  /** Gives back what it holds. Idempotent. No other call comes after it. */
  close(): Promise<void>
}
