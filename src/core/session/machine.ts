/**
 * The life of one client connection, as one state machine.
 *
 *     accept ─ guard ─┬─ routing ─┬─ dialing ⇄ queued ─┬─ linked ─ closed
 *                     │           │        ↑           │ (the upstream was lost before a byte moved)
 *                     └───────────┴────────────────────┴──────── closed
 *
 * - session: one client connection from accept to close, with the upstream connection that serves it
 * - reach: to get a connection to the upstream that was chosen, one endpoint after the other until one answers
 *   (control/upstreams/reach.ts); `queued` while every endpoint has as many connections as it may have, `waking` while
 *   the service is being started
 * - abandon: to give up reaching because the client, which had said nothing, has ended
 *
 * The machine decides; a runner (control/session-runner.ts) does what the commands say and reports what happened
 * as events. Every session ends in `closed` exactly once, with one reason. An event that no longer matters (an upstream
 * that answers after the client has gone) is met with the command that cleans it up, never ignored silently.
 *
 * A bare FIN is ambiguous: a client that closed and one that only listens (`nc host </dev/null`) look the same
 * on the wire. So a FIN with nothing unread before it does not end the session at once: the dial gets
 * {@link BARE_FIN_GRACE_MS} to finish, in which case the half-close is relayed as such. A FIN after some bytes
 * never cancels: those bytes are a request.
 */

import type { CloseReason } from '../close-reason.js'

/** How long a dial may go on after its silent client's FIN: generous for a connect that works, short for one that hangs. */
export const BARE_FIN_GRACE_MS = 500

export type SessionState =
  | { readonly at: 'new' }
  | { readonly at: 'routing'; readonly abandoning: boolean }
  | { readonly at: 'dialing'; readonly abandoning: boolean }
  | { readonly at: 'queued'; readonly abandoning: boolean }
  | { readonly at: 'waking'; readonly abandoning: boolean }
  | { readonly at: 'linked' }
  | { readonly at: 'closed'; readonly reason: CloseReason }

export type SessionStateName = SessionState['at']

export type SessionEvent =
  /** The guards have spoken. */
  | { readonly type: 'admitted' }
  | { readonly type: 'refused'; readonly reason: CloseReason }
  /** It is known whom to reach. */
  | { readonly type: 'routed' }
  /** A connected upstream was found without dialling (a caller's own socket). */
  | { readonly type: 'supplied' }
  | { readonly type: 'route_failed'; readonly reason: CloseReason }
  /** Every endpoint has as many connections as it may have. */
  | { readonly type: 'queued' }
  /** There is nobody to connect to yet: the service has to start first. */
  | { readonly type: 'waking' }
  /** An endpoint is being dialled, the first or the next. */
  | { readonly type: 'dialing' }
  | { readonly type: 'reached' }
  | { readonly type: 'reach_failed'; readonly reason: CloseReason }
  | { readonly type: 'client_left'; readonly how: 'fin' | 'reset' }
  /** {@link BARE_FIN_GRACE_MS} have passed since the command `arm_abandon`. */
  | { readonly type: 'abandon_due' }
  | { readonly type: 'link_ended'; readonly reason: CloseReason }
  /** The upstream had waited in a pool and is gone before a byte moved; the client knows nothing of it. */
  | { readonly type: 'upstream_lost' }
  /** The session is to end now: by hand, by drain, or because something of the caller's failed. */
  | { readonly type: 'cut'; readonly reason: CloseReason }

export type SessionCommand =
  | { readonly type: 'route' }
  | { readonly type: 'reach' }
  | { readonly type: 'cancel_reach' }
  | { readonly type: 'arm_abandon' }
  | { readonly type: 'link' }
  | { readonly type: 'cut_link'; readonly reason: CloseReason }
  /** The client is told that it is not served: RST, an honest error where FIN would look like an empty answer. */
  | { readonly type: 'reset_client' }
  /** An upstream connection that nobody needs any more. */
  | { readonly type: 'discard_upstream' }
  | { readonly type: 'finish'; readonly reason: CloseReason }

export interface Step {
  readonly state: SessionState
  readonly commands: readonly SessionCommand[]
}

export const NEW_SESSION: SessionState = { at: 'new' }

const NO_COMMANDS: readonly SessionCommand[] = []

/** The steps that each session takes are made once for all. */
const TO_ROUTING: Step = { state: { at: 'routing', abandoning: false }, commands: [{ type: 'route' }] }
const TO_REACHING: Step = { state: { at: 'dialing', abandoning: false }, commands: [{ type: 'reach' }] }
const TO_LINKED: Step = { state: { at: 'linked' }, commands: [{ type: 'link' }] }

const stay = (state: SessionState): Step => ({ state, commands: NO_COMMANDS })

const closeBeforeLink = (reason: CloseReason, ...first: readonly SessionCommand[]): Step => ({
  state: { at: 'closed', reason },
  commands: [...first, { type: 'reset_client' }, { type: 'finish', reason }],
})

const onNew = (state: SessionState, event: SessionEvent): Step => {
  switch (event.type) {
    case 'admitted':
      return TO_ROUTING
    case 'refused':
    case 'cut':
      return closeBeforeLink(event.reason)
    default:
      return stay(state)
  }
}

type Reaching = Extract<SessionState, { at: 'dialing' | 'queued' | 'waking' }>
type Waiting = Extract<SessionState, { at: 'routing' }> | Reaching

/** What routing and reaching share: the client may leave and the session may be cut. */
const onWaiting = (state: Waiting, event: SessionEvent): Step => {
  const cancel: readonly SessionCommand[] = state.at === 'routing' ? [] : [{ type: 'cancel_reach' }]
  switch (event.type) {
    case 'client_left':
      if (event.how === 'reset') return closeBeforeLink('client_reset', ...cancel)
      if (state.abandoning) return stay(state)
      return { state: { ...state, abandoning: true }, commands: [{ type: 'arm_abandon' }] }
    case 'abandon_due':
      return state.abandoning ? closeBeforeLink('client_fin', ...cancel) : stay(state)
    case 'cut':
      return closeBeforeLink(event.reason, ...cancel)
    default:
      return stay(state)
  }
}

const onRouting = (state: Extract<SessionState, { at: 'routing' }>, event: SessionEvent): Step => {
  switch (event.type) {
    case 'routed':
      if (!state.abandoning) return TO_REACHING
      return { state: { at: 'dialing', abandoning: true }, commands: [{ type: 'reach' }] }
    case 'supplied':
      return TO_LINKED
    case 'route_failed':
      return closeBeforeLink(event.reason)
    default:
      return onWaiting(state, event)
  }
}

const onReaching = (state: Reaching, event: SessionEvent): Step => {
  switch (event.type) {
    case 'queued':
    case 'waking':
    case 'dialing':
      return state.at === event.type ? stay(state) : stay({ at: event.type, abandoning: state.abandoning })
    case 'reached':
      return TO_LINKED
    case 'reach_failed':
      return closeBeforeLink(event.reason)
    default:
      return onWaiting(state, event)
  }
}

const onLinked = (state: SessionState, event: SessionEvent): Step => {
  switch (event.type) {
    case 'link_ended':
      return {
        state: { at: 'closed', reason: event.reason },
        commands: [{ type: 'finish', reason: event.reason }],
      }
    case 'upstream_lost':
      return TO_REACHING
    case 'cut':
      // The link reports its own end, with the reason it was given and the final byte counts.
      return { state, commands: [{ type: 'cut_link', reason: event.reason }] }
    default:
      return stay(state)
  }
}

/** After the end an answer may still arrive from a hook or a dial: what it brought is put away. */
const onClosed = (state: SessionState, event: SessionEvent): Step =>
  event.type === 'supplied' || event.type === 'reached'
    ? { state, commands: [{ type: 'discard_upstream' }] }
    : stay(state)

/** The next state, and what is to be done to get there, in order. */
export const transition = (state: SessionState, event: SessionEvent): Step => {
  switch (state.at) {
    case 'new':
      return onNew(state, event)
    case 'routing':
      return onRouting(state, event)
    case 'dialing':
    case 'queued':
    case 'waking':
      return onReaching(state, event)
    case 'linked':
      return onLinked(state, event)
    case 'closed':
      return onClosed(state, event)
  }
}
