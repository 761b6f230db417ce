import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  NEW_SESSION,
  type SessionCommand,
  type SessionEvent,
  type SessionState,
  transition,
} from '../../../src/core/session/machine.js'

/** Plays events from a new session; returns the last state and all commands in order. */
const play = (...events: readonly SessionEvent[]) => {
  let state: SessionState = NEW_SESSION
  const commands: SessionCommand[] = []
  for (const event of events) {
    const step = transition(state, event)
    state = step.state
    commands.push(...step.commands)
  }
  return { state, types: commands.map(({ type }) => type), commands }
}

const ADMITTED: SessionEvent = { type: 'admitted' }
const ROUTED: SessionEvent = { type: 'routed' }
const REACHED: SessionEvent = { type: 'reached' }

describe('a session', () => {
  it('is routed, dialled, linked and closed with the reason of its link', () => {
    const { state, types } = play(ADMITTED, ROUTED, REACHED, { type: 'link_ended', reason: 'upstream_fin' })
    expect(types).toEqual(['route', 'reach', 'link', 'finish'])
    expect(state).toEqual({ at: 'closed', reason: 'upstream_fin' })
  })

  it('that a guard refuses is reset, with the reason of the guard', () => {
    const { state, types } = play({ type: 'refused', reason: 'denied' })
    expect(types).toEqual(['reset_client', 'finish'])
    expect(state).toEqual({ at: 'closed', reason: 'denied' })
  })

  it('waits in a queue and dials again as often as it has to', () => {
    const steps = [ADMITTED, ROUTED, { type: 'queued' }, { type: 'dialing' }, { type: 'queued' }] as const
    expect(play(...steps).state).toEqual({ at: 'queued', abandoning: false })
    const { state, types } = play(...steps, { type: 'dialing' }, REACHED)
    expect(state).toEqual({ at: 'linked' })
    expect(types).toEqual(['route', 'reach', 'link'])
  })

  it('reaches again when its upstream is lost before a byte moved, and ends as any other then', () => {
    const lost = [ADMITTED, ROUTED, REACHED, { type: 'upstream_lost' }] as const
    expect(play(...lost).state).toEqual({ at: 'dialing', abandoning: false })
    const { state, types } = play(...lost, REACHED, { type: 'link_ended', reason: 'client_fin' })
    expect(types).toEqual(['route', 'reach', 'link', 'reach', 'link', 'finish'])
    expect(state).toEqual({ at: 'closed', reason: 'client_fin' })
    expect(play(...lost, { type: 'client_left', how: 'reset' }).types).toContain('cancel_reach')
  })

  it('that cannot be connected is reset, with the reason of that', () => {
    const { state, types } = play(ADMITTED, ROUTED, { type: 'reach_failed', reason: 'dial_timeout' })
    expect(types).toEqual(['route', 'reach', 'reset_client', 'finish'])
    expect(state).toEqual({ at: 'closed', reason: 'dial_timeout' })
  })

  it('stops reaching when the client resets, also while it is queued', () => {
    for (const queued of [[], [{ type: 'queued' }]] as const) {
      const { state, types } = play(ADMITTED, ROUTED, ...queued, { type: 'client_left', how: 'reset' })
      expect(types).toEqual(['route', 'reach', 'cancel_reach', 'reset_client', 'finish'])
      expect(state).toEqual({ at: 'closed', reason: 'client_reset' })
    }
  })

  it('gives a dial some grace when a silent client ends, then cancels it', () => {
    const waiting = play(ADMITTED, ROUTED, { type: 'client_left', how: 'fin' })
    expect(waiting.types).toEqual(['route', 'reach', 'arm_abandon'])
    const { state, types } = play(
      ADMITTED,
      ROUTED,
      { type: 'client_left', how: 'fin' },
      { type: 'abandon_due' },
    )
    expect(types.slice(3)).toEqual(['cancel_reach', 'reset_client', 'finish'])
    expect(state).toEqual({ at: 'closed', reason: 'client_fin' })
  })

  it('is linked when the dial succeeds within the grace, so that a half-close is relayed', () => {
    const { state, types } = play(ADMITTED, ROUTED, { type: 'client_left', how: 'fin' }, REACHED, {
      type: 'abandon_due',
    })
    expect(types).toEqual(['route', 'reach', 'arm_abandon', 'link'])
    expect(state).toEqual({ at: 'linked' })
  })

  it('keeps the grace running over routing, a queue and further endpoints', () => {
    const { types } = play(
      ADMITTED,
      { type: 'client_left', how: 'fin' },
      ROUTED,
      { type: 'queued' },
      { type: 'dialing' },
      { type: 'abandon_due' },
    )
    expect(types).toEqual(['route', 'arm_abandon', 'reach', 'cancel_reach', 'reset_client', 'finish'])
  })

  it('discards an upstream that arrives after its end', () => {
    const cut: SessionEvent = { type: 'cut', reason: 'killed' }
    expect(play(ADMITTED, cut, { type: 'supplied' }).types).toEqual([
      'route',
      'reset_client',
      'finish',
      'discard_upstream',
    ])
    expect(play(ADMITTED, ROUTED, cut, REACHED).types.at(-1)).toBe('discard_upstream')
  })

  it('that is linked is cut through its link, which reports the end', () => {
    const { state, commands } = play(ADMITTED, { type: 'supplied' }, { type: 'cut', reason: 'drained' })
    expect(state).toEqual({ at: 'linked' })
    expect(commands.at(-1)).toEqual({ type: 'cut_link', reason: 'drained' })
  })
})

const anyEvent: fc.Arbitrary<SessionEvent> = fc.oneof(
  fc.constantFrom<SessionEvent>(
    ADMITTED,
    { type: 'refused', reason: 'limit' },
    ROUTED,
    { type: 'queued' },
    { type: 'dialing' },
    { type: 'supplied' },
    { type: 'route_failed', reason: 'error' },
    REACHED,
    { type: 'reach_failed', reason: 'dial_failed' },
    { type: 'client_left', how: 'fin' },
    { type: 'client_left', how: 'reset' },
    { type: 'abandon_due' },
    { type: 'link_ended', reason: 'client_fin' },
    { type: 'cut', reason: 'killed' },
  ),
)

describe('whatever happens in whatever order', () => {
  it('a session finishes at most once, exactly when it is closed, and never dials or links afterwards', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 30 }), (events) => {
        const { state, types } = play(...events)
        const finished = types.filter((type) => type === 'finish').length
        expect(finished).toBe(state.at === 'closed' ? 1 : 0)
        if (finished === 1) {
          const after = types.slice(types.indexOf('finish') + 1)
          expect(after.every((type) => type === 'discard_upstream')).toBe(true)
        }
        expect(types.filter((type) => type === 'link').length).toBeLessThanOrEqual(1)
      }),
    )
  })
})
