/**
 * The life of a service that runs only while it is needed, as one state machine.
 *
 *     closed ─ wanted ─▶ starting ─ ready ─▶ open ─ unused ─▶ stopping ─ ended ─▶ closed
 *                           │                 │                  │
 *                           │ ended, late     │ ended            └ ended, wanted meanwhile ─▶ starting
 *                           ▼                 ▼
 *                     closed, or failed for a while                    anything ─ shutdown ─▶ stopping ─▶ over
 *
 * - service: what an activator starts and stops; at most one of it runs at any time
 * - gate: what clients pass through to the service; open only while it is ready
 * - waiting: clients that found the gate shut. They are let in when it opens, or told that it will not
 * - failure: a start that failed, or an end that nobody asked for. The first in a row costs nothing but itself: the next client
 *   starts the service again at once. From the second on it is left alone for a while, longer each time
 * - storm: many starts in a short time, for whatever reason; also a service that is ready and ends at once each time
 *
 * The machine decides; a supervisor (control/wake/supervisor.ts) does what the commands say, and reports what happened. Each
 * `start` is followed by exactly one `ended`, and no `start` comes before it. Whoever waits is told something after each `wanted`:
 * the gate opens, or `fail_waiting`.
 */

import { type History, mayStartAt, NEW_HISTORY, withFailure, withStart, withSuccess } from './history.js'

/** ms, each at least 1. */
export interface WakeTimes {
  /** A service has to be ready so long after it was started. */
  readonly startMs: number
  /** What was asked to end is killed after so long. */
  readonly stopTimeoutMs: number
}

export type ServiceState =
  | { readonly at: 'closed'; readonly history: History }
  | { readonly at: 'starting'; readonly history: History }
  | { readonly at: 'open'; readonly history: History; readonly since: number }
  | {
      readonly at: 'stopping'
      readonly history: History
      /** Somebody waits for the next start. */
      readonly isWanted: boolean
      /** A start that was too late is a failure still when it has been stopped. */
      readonly failure: string | null
      /** It is not to be started again. */
      readonly isLast: boolean
    }
  | { readonly at: 'failed'; readonly history: History; readonly until: number; readonly message: string }
  | { readonly at: 'over'; readonly history: History }

export type WakeTimer = 'start' | 'stop' | 'backoff'

/** `now`: ms, of a clock that does not go back. */
export type WakeEvent = { readonly now: number } & (
  | { readonly type: 'wanted' }
  | { readonly type: 'ready' }
  /** Nothing of it runs (any more). */
  | { readonly type: 'ended'; readonly message: string }
  /** The timer `start` is due. `message`: what may be the matter. */
  | { readonly type: 'start_due'; readonly message: string }
  /** The gate was shut, since it has been idle for long. */
  | { readonly type: 'unused' }
  | { readonly type: 'stop_due' }
  | { readonly type: 'backoff_due' }
  /** By hand: failures and storms are forgotten. */
  | { readonly type: 'reset' }
  | { readonly type: 'shutdown' }
)

export type WakeCommand =
  | { readonly type: 'start' }
  | { readonly type: 'stop' }
  | { readonly type: 'kill' }
  /** Replaces one of the same name. */
  | { readonly type: 'arm'; readonly timer: WakeTimer; readonly ms: number }
  | { readonly type: 'disarm'; readonly timer: WakeTimer }
  /** Who waits is let in, and who comes. */
  | { readonly type: 'open_gate' }
  /** The gate is open already. */
  | { readonly type: 'serve_waiting' }
  | { readonly type: 'shut_gate' }
  | { readonly type: 'fail_waiting'; readonly message: string }
  | { readonly type: 'cut_users'; readonly message: string }

export interface WakeStep {
  readonly state: ServiceState
  readonly commands: readonly WakeCommand[]
}

export const NEW_SERVICE: ServiceState = { at: 'closed', history: NEW_HISTORY }

const CLOSING = 'is not started any more: the gateway closes'

const stay = (state: ServiceState): WakeStep => ({ state, commands: [] })

const secondsOf = (ms: number): string => `${Math.max(0.1, Math.round(ms / 100) / 10)} s`

/** Leaves it alone until `until`; whoever waits is told why. */
const leaveAlone = (
  history: History,
  until: number,
  why: string,
  now: number,
  first: readonly WakeCommand[] = [],
): WakeStep => {
  const message = `${why}; it is not started again for ${secondsOf(until - now)}`
  return {
    state: { at: 'failed', history, until, message },
    commands: [
      ...first,
      { type: 'fail_waiting', message },
      { type: 'arm', timer: 'backoff', ms: Math.max(1, Math.ceil(until - now)) },
    ],
  }
}

/** Starts it, unless it was started too often lately. */
const start = (
  history: History,
  now: number,
  { startMs }: WakeTimes,
  first: readonly WakeCommand[] = [],
): WakeStep => {
  const at = mayStartAt(history, now)
  if (at.ms > now) return leaveAlone(history, at.ms, at.why, now, first)
  return {
    state: { at: 'starting', history: withStart(history, now) },
    commands: [...first, { type: 'arm', timer: 'start', ms: startMs }, { type: 'start' }],
  }
}

/** A failure: closed if it may be started again at once, else left alone. `tell`: those that wait. */
const fail = (
  history: History,
  message: string,
  now: number,
  first: readonly WakeCommand[],
  tell: boolean,
): WakeStep => {
  const after = withFailure(history, now)
  const at = mayStartAt(after, now)
  if (at.ms > now) return leaveAlone(after, at.ms, `${message} (it ${at.why})`, now, first)
  return {
    state: { at: 'closed', history: after },
    commands: tell ? [...first, { type: 'fail_waiting', message }] : first,
  }
}

const onClosed = (
  state: Extract<ServiceState, { at: 'closed' }>,
  event: WakeEvent,
  times: WakeTimes,
): WakeStep => {
  switch (event.type) {
    case 'wanted':
      return start(state.history, event.now, times)
    case 'reset':
      return stay({ at: 'closed', history: NEW_HISTORY })
    case 'shutdown':
      return {
        state: { at: 'over', history: state.history },
        commands: [{ type: 'fail_waiting', message: CLOSING }],
      }
    default:
      return stay(state)
  }
}

/** Asks it to end for good. */
const shutDown = (
  history: History,
  { stopTimeoutMs }: WakeTimes,
  first: readonly WakeCommand[],
): WakeStep => ({
  state: { at: 'stopping', history, isWanted: false, failure: null, isLast: true },
  commands: [
    ...first,
    { type: 'fail_waiting', message: CLOSING },
    { type: 'arm', timer: 'stop', ms: stopTimeoutMs },
    { type: 'stop' },
  ],
})

const onStarting = (
  state: Extract<ServiceState, { at: 'starting' }>,
  event: WakeEvent,
  times: WakeTimes,
): WakeStep => {
  const { history } = state
  switch (event.type) {
    case 'ready':
      return {
        state: { at: 'open', history, since: event.now },
        commands: [{ type: 'disarm', timer: 'start' }, { type: 'open_gate' }],
      }
    case 'ended':
      return fail(
        history,
        `did not start: it ${event.message}`,
        event.now,
        [{ type: 'disarm', timer: 'start' }],
        true,
      )
    case 'start_due':
      return {
        state: { at: 'stopping', history, isWanted: false, failure: event.message, isLast: false },
        commands: [
          { type: 'fail_waiting', message: `did not start: ${event.message}` },
          { type: 'arm', timer: 'stop', ms: times.stopTimeoutMs },
          { type: 'stop' },
        ],
      }
    case 'shutdown':
      return shutDown(history, times, [{ type: 'disarm', timer: 'start' }])
    case 'reset':
      return stay({ at: 'starting', history: NEW_HISTORY })
    default:
      return stay(state)
  }
}

const onOpen = (
  state: Extract<ServiceState, { at: 'open' }>,
  event: WakeEvent,
  times: WakeTimes,
): WakeStep => {
  const { history, since } = state
  switch (event.type) {
    // They came before they could see that it is open.
    case 'wanted':
      return { state, commands: [{ type: 'serve_waiting' }] }
    case 'unused':
      return {
        state: {
          at: 'stopping',
          history: withSuccess(history),
          isWanted: false,
          failure: null,
          isLast: false,
        },
        commands: [{ type: 'arm', timer: 'stop', ms: times.stopTimeoutMs }, { type: 'stop' }],
      }
    case 'ended': {
      const message = `has ended: it ${event.message}`
      const cut: readonly WakeCommand[] = [{ type: 'shut_gate' }, { type: 'cut_users', message }]
      return fail(withSuccess(history, event.now - since), message, event.now, cut, false)
    }
    case 'shutdown':
      return shutDown(history, times, [{ type: 'shut_gate' }])
    case 'reset':
      return stay({ ...state, history: NEW_HISTORY })
    default:
      return stay(state)
  }
}

const onStopping = (
  state: Extract<ServiceState, { at: 'stopping' }>,
  event: WakeEvent,
  times: WakeTimes,
): WakeStep => {
  switch (event.type) {
    case 'wanted':
      if (state.isLast) return { state, commands: [{ type: 'fail_waiting', message: CLOSING }] }
      return stay({ ...state, isWanted: true })
    case 'stop_due':
      return { state, commands: [{ type: 'kill' }] }
    case 'ended':
      return onStopped(state, event.now, times)
    case 'shutdown':
      if (state.isLast) return { state, commands: [{ type: 'kill' }] }
      return {
        state: { ...state, isWanted: false, isLast: true },
        commands: [
          { type: 'fail_waiting', message: CLOSING },
          { type: 'arm', timer: 'stop', ms: times.stopTimeoutMs },
        ],
      }
    case 'reset':
      return stay({ ...state, history: NEW_HISTORY, failure: null })
    default:
      return stay(state)
  }
}

const onStopped = (
  { history, isWanted, failure, isLast }: Extract<ServiceState, { at: 'stopping' }>,
  now: number,
  times: WakeTimes,
): WakeStep => {
  const disarm: readonly WakeCommand[] = [{ type: 'disarm', timer: 'stop' }]
  if (isLast) return { state: { at: 'over', history }, commands: disarm }
  const after = failure === null ? history : withFailure(history, now)
  const at = mayStartAt(after, now)
  if (failure !== null && at.ms > now)
    return leaveAlone(after, at.ms, `did not start: ${failure} (it ${at.why})`, now, disarm)
  if (isWanted) return start(after, now, times, disarm)
  return { state: { at: 'closed', history: after }, commands: disarm }
}

const onFailed = (state: Extract<ServiceState, { at: 'failed' }>, event: WakeEvent): WakeStep => {
  switch (event.type) {
    case 'wanted': {
      const left = secondsOf(state.until - event.now)
      return {
        state,
        commands: [{ type: 'fail_waiting', message: `${state.message} (${left} left)` }],
      }
    }
    case 'backoff_due':
      return stay({ at: 'closed', history: state.history })
    case 'reset':
      return {
        state: { at: 'closed', history: NEW_HISTORY },
        commands: [{ type: 'disarm', timer: 'backoff' }],
      }
    case 'shutdown':
      return {
        state: { at: 'over', history: state.history },
        commands: [
          { type: 'disarm', timer: 'backoff' },
          { type: 'fail_waiting', message: CLOSING },
        ],
      }
    default:
      return stay(state)
  }
}

const onOver = (state: ServiceState, event: WakeEvent): WakeStep =>
  event.type === 'wanted' ? { state, commands: [{ type: 'fail_waiting', message: CLOSING }] } : stay(state)

/** The next state, and what is to be done to get there, in order. */
export const transition = (state: ServiceState, event: WakeEvent, times: WakeTimes): WakeStep => {
  switch (state.at) {
    case 'closed':
      return onClosed(state, event, times)
    case 'starting':
      return onStarting(state, event, times)
    case 'open':
      return onOpen(state, event, times)
    case 'stopping':
      return onStopping(state, event, times)
    case 'failed':
      return onFailed(state, event)
    case 'over':
      return onOver(state, event)
  }
}
