/** What is known of a connection, while it lives and when it is over. */

import type { Address } from '../address.js'
import type { CloseReason } from '../close-reason.js'
import type { PerDirection } from '../direction.js'
import type { FailureCode } from '../health/failure-code.js'
import type { SessionStateName } from './machine.js'

/** Who is connected: known from the first moment. */
export interface ConnectionIdentity {
  /** Unique within the gateway, counted from 1. */
  readonly id: number
  /** Name of the listener that accepted it. */
  readonly listener: string
  readonly client: Address
}

/** A line of the live list. */
export interface LiveConnection extends ConnectionIdentity {
  readonly state: SessionStateName
  /** Whom it is connected to, or is being connected to; null before that is decided. */
  readonly upstream: Address | null
  /** Since it was accepted, ms. */
  readonly ageMs: number
  readonly bytes: PerDirection<number>
  /** Endpoints dialled so far, the one being dialled included. */
  readonly attempts: number
  /** What the last of its dials that failed has failed with; null: none has. */
  readonly lastFailure: FailureCode | null
}

/** Durations in ms; null for a stage that was never reached. */
export interface ConnectionTimes {
  /** From accept until it was known where to connect. */
  readonly routed: number | null
  /** After that, the wait for a place at an endpoint, all such waits together; null: there was one at once. */
  readonly queued: number | null
  /** Likewise, the wait for the service to start; null also where it was there. */
  readonly woke: number | null
  /** From `routed` until the upstream was connected, failed attempts and waits included. */
  readonly dialled: number | null
  /** From accept to close. */
  readonly total: number
}

/** The final account of one connection; exactly one for each that was accepted. */
export interface ConnectionRecord extends ConnectionIdentity {
  /** The endpoint it was linked to, or the last one tried; null if none was. */
  readonly upstream: Address | null
  readonly reason: CloseReason
  /** What went wrong, when the reason alone does not tell. */
  readonly error: Error | null
  /** When it was accepted, ms since 1970. */
  readonly startedAt: number
  readonly times: ConnectionTimes
  readonly bytes: PerDirection<number>
  /** Endpoints dialled, failures included. */
  readonly attempts: number
}

/** Running totals of one listener. */
export interface ConnectionCounters {
  /** Accepted so far, refused ones included. */
  readonly accepted: number
  /** Open now. */
  readonly active: number
  /** Ended, by reason. */
  readonly closed: Readonly<Partial<Record<CloseReason, number>>>
  /** Relayed by connections that have ended. */
  readonly bytes: PerDirection<number>
}
