/**
 * When a service is stopped because nobody uses it.
 *
 * - idle by connections: nobody is connected; by bytes: nobody is, or nothing has moved on any connection
 */

export interface IdleLook {
  readonly now: number
  /** When it became ready. */
  readonly openSince: number
  /** Connected now. */
  readonly users: number
  /** When the last of them left. */
  readonly lastLeftAt: number
  /** When a byte last moved; known to a part of `idleMs` only. */
  readonly lastByteAt: number
}

export interface IdleRule {
  /** 0: never. */
  readonly idleMs: number
  readonly idleBy: 'connections' | 'bytes'
  /** It runs at least so long. */
  readonly minUptimeMs: number
}

export type IdleVerdict =
  | { readonly stop: true }
  /** Null: not before something happens. */
  | { readonly stop: false; readonly againInMs: number | null }

/** How often idleness by bytes is looked for, in parts of `idleMs`. */
export const BYTE_LOOKS = 4
const SHORTEST_LOOK_MS = 20

export const lookAtIdle = (look: IdleLook, { idleMs, idleBy, minUptimeMs }: IdleRule): IdleVerdict => {
  if (idleMs === 0) return { stop: false, againInMs: null }
  const { now, openSince, users, lastLeftAt, lastByteAt } = look
  const usedAt = users === 0 ? lastLeftAt : idleBy === 'bytes' ? lastByteAt : now
  const at = Math.max(usedAt + idleMs, openSince + minUptimeMs)
  if (at <= now && (users === 0 || idleBy === 'bytes')) return { stop: true }
  const againInMs = Math.max(1, Math.ceil(at - now))
  const oftenMs = Math.max(SHORTEST_LOOK_MS, Math.ceil(idleMs / BYTE_LOOKS))
  return { stop: false, againInMs: idleBy === 'bytes' ? Math.min(againInMs, oftenMs) : againInMs }
}
