/**
 * The life of one client connection, as one state machine.
 *
 *     accept ─ guard ─┬─ routing ─┬─ dialing ─┬─ linked ─ closed
 *                     │           │  ↺ next   │
 *                     └───────────┴───────────┴────────── closed
 *
 * - session: one client connection from accept to close, with the upstream connection that serves it
 * - endpoint: one address an upstream can be reached at; they are tried in order until one answers
 * - abandon: to give up a dial because the client, which had said nothing, has ended
 *
 * The machine decides; a runner (control/session-runner.ts) does what the commands say and reports what happened
 * as events. Every session ends in `closed` exactly once, with one reason. An event that no longer matters (a dial
 * that answers after the client has gone) is met with the command that cleans it up, never ignored silently.
 *
 * A bare FIN is ambiguous: a client that closed and one that only listens (`nc host </dev/null`) look the same
 * on the wire. So a FIN with nothing unread before it does not end the session at once: the dial gets
 * {@link BARE_FIN_GRACE_MS} to finish, in which case the half-close is relayed as such. A FIN after some bytes
 * never cancels: those bytes are a request.
 */

import type { Address } from '../address.js'
import type { CloseReason } from '../close-reason.js'

/** How long a dial may go on after its silent client's FIN: generous for a connect that works, short for one that hangs. */
export const BARE_FIN_GRACE_MS = 500

export type SessionState =
  | { readonly at: 'new' }
  | { readonly at: 'routing'; readonly abandoning: boolean }
  | {
      readonly at: 'dialing'
      readonly abandoning: boolean
      readonly endpoint: Address
      /** Still to be tried, in order. */
      readonly rest: readonly Address[]
    }
  | { readonly at: 'linked' }
  | { readonly at: 'closed'; readonly reason: CloseReason }

export type SessionStateName = SessionState['at']

export type SessionEvent =
  /** The guards have spoken. */
  | { readonly type: 'admitted' }
  | { readonly type: 'refused'; readonly reason: CloseReason }
  /** There is at least one endpoint to dial, in order. */
  | { readonly type: 'routed'; readonly endpoints: readonly [Address, ...Address[]] }
  /** A connected upstream was found without dialling (a caller's own socket). */
  | { readonly type: 'supplied' }
  | { readonly type: 'route_failed'; readonly reason: CloseReason }
  | { readonly type: 'dialled' }
  | { readonly type: 'dial_failed'; readonly timedOut: boolean }
  | { readonly type: 'client_left'; readonly how: 'fin' | 'reset' }
  /** {@link BARE_FIN_GRACE_MS} have passed since the command `arm_abandon`. */
  | { readonly type: 'abandon_due' }
  | { readonly type: 'link_ended'; readonly reason: CloseReason }
  /** The session is to end now: by hand, by drain, or because something of the caller's failed. */
  | { readonly type: 'cut'; readonly reason: CloseReason }

export type SessionCommand =
  | { readonly type: 'route' }
  | { readonly type: 'dial'; readonly endpoint: Address }
  | { readonly type: 'cancel_dial' }
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
const TO_LINKED: Step = { state: { at: 'linked' }, commands: [{ type: 'link' }] }

const stay = (state: SessionState): Step => ({ state, commands: NO_COMMANDS })

const closeBeforeLink = (reason: CloseReason, ...first: readonly SessionCommand[]): Step => ({
  state: { at: 'closed', reason },
  commands: [...first, { type: 'reset_client' }, { type: 'finish', reason }],
})

const dialNext = (abandoning: boolean, [endpoint, ...rest]: readonly [Address, ...Address[]]): Step => ({
  state: { at: 'dialing', abandoning, endpoint, rest },
  commands: [{ type: 'dial', endpoint }],
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

type Waiting = Extract<SessionState, { at: 'routing' | 'dialing' }>

/** What routing and dialing share: the client may leave and the session may be cut. */
const onWaiting = (state: Waiting, event: SessionEvent): Step => {
  const cancel: readonly SessionCommand[] = state.at === 'dialing' ? [{ type: 'cancel_dial' }] : []
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
      return dialNext(state.abandoning, event.endpoints)
    case 'supplied':
      return TO_LINKED
    case 'route_failed':
      return closeBeforeLink(event.reason)
    default:
      return onWaiting(state, event)
  }
}

const onDialing = (state: Extract<SessionState, { at: 'dialing' }>, event: SessionEvent): Step => {
  switch (event.type) {
    case 'dialled':
      return TO_LINKED
    case 'dial_failed': {
      const [next, ...rest] = state.rest
      if (next !== undefined) return dialNext(state.abandoning, [next, ...rest])
      return closeBeforeLink(event.timedOut ? 'dial_timeout' : 'dial_failed')
    }
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
    case 'cut':
      // The link reports its own end, with the reason it was given and the final byte counts.
      return { state, commands: [{ type: 'cut_link', reason: event.reason }] }
    default:
      return stay(state)
  }
}

/** After the end an answer may still arrive from a hook or a dial: what it brought is put away. */
const onClosed = (state: SessionState, event: SessionEvent): Step =>
  event.type === 'supplied' || event.type === 'dialled'
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
      return onDialing(state, event)
    case 'linked':
      return onLinked(state, event)
    case 'closed':
      return onClosed(state, event)
  }
}
