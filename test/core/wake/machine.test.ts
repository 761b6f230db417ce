import { describe, expect, it } from 'vitest'
import { NEW_HISTORY, STORM_STARTS } from '../../../src/core/wake/history.js'
import {
  NEW_SERVICE,
  type ServiceState,
  transition,
  type WakeCommand,
  type WakeEvent,
} from '../../../src/core/wake/machine.js'

const TIMES = { startMs: 3000, stopTimeoutMs: 1000 }
const NOW = 50_000

const wordOf = (command: WakeCommand): string => {
  if (command.type === 'arm') return `arm ${command.timer} ${command.ms}`
  return command.type === 'disarm' ? `disarm ${command.timer}` : command.type
}

const EVENTS: Readonly<Record<WakeEvent['type'], WakeEvent>> = {
  wanted: { type: 'wanted', now: NOW },
  ready: { type: 'ready', now: NOW },
  ended: { type: 'ended', message: 'exited with code 1', now: NOW },
  start_due: { type: 'start_due', message: 'it was not ready within 3s', now: NOW },
  unused: { type: 'unused', now: NOW },
  stop_due: { type: 'stop_due', now: NOW },
  backoff_due: { type: 'backoff_due', now: NOW },
  reset: { type: 'reset', now: NOW },
  shutdown: { type: 'shutdown', now: NOW },
}

const history = { failures: 1, failedAt: NOW - 5000, starts: [NOW - 4000] }
const stopping = { at: 'stopping', history, isWanted: false, failure: null, isLast: false } as const

const STATES = {
  closed: { at: 'closed', history },
  starting: { at: 'starting', history },
  open: { at: 'open', history, since: NOW - 3000 },
  stopping,
  'stopping, wanted': { ...stopping, isWanted: true },
  'stopping, late': { ...stopping, failure: 'it was not ready within 3s' },
  'stopping, last': { ...stopping, isLast: true },
  failed: { at: 'failed', history, until: NOW + 400, message: 'did not start' },
  over: { at: 'over', history },
} as const satisfies Record<string, ServiceState>

/** The state that comes next, and the commands; what is not named changes nothing and does nothing. */
const TABLE: Readonly<
  Record<keyof typeof STATES, Partial<Record<WakeEvent['type'], readonly [ServiceState['at'], ...string[]]>>>
> = {
  closed: {
    wanted: ['starting', 'arm start 3000', 'start'],
    shutdown: ['over', 'fail_waiting'],
  },
  starting: {
    ready: ['open', 'disarm start', 'open_gate'],
    ended: ['failed', 'disarm start', 'fail_waiting', 'arm backoff 500'],
    start_due: ['stopping', 'fail_waiting', 'arm stop 1000', 'stop'],
    shutdown: ['stopping', 'disarm start', 'fail_waiting', 'arm stop 1000', 'stop'],
  },
  open: {
    wanted: ['open', 'serve_waiting'],
    ended: ['failed', 'shut_gate', 'cut_users', 'fail_waiting', 'arm backoff 500'],
    unused: ['stopping', 'arm stop 1000', 'stop'],
    shutdown: ['stopping', 'shut_gate', 'fail_waiting', 'arm stop 1000', 'stop'],
  },
  stopping: {
    ended: ['closed', 'disarm stop'],
    stop_due: ['stopping', 'kill'],
    shutdown: ['stopping', 'fail_waiting', 'arm stop 1000'],
  },
  'stopping, wanted': {
    ended: ['starting', 'disarm stop', 'arm start 3000', 'start'],
    stop_due: ['stopping', 'kill'],
    shutdown: ['stopping', 'fail_waiting', 'arm stop 1000'],
  },
  'stopping, late': {
    ended: ['failed', 'disarm stop', 'fail_waiting', 'arm backoff 500'],
    stop_due: ['stopping', 'kill'],
    shutdown: ['stopping', 'fail_waiting', 'arm stop 1000'],
  },
  'stopping, last': {
    wanted: ['stopping', 'fail_waiting'],
    ended: ['over', 'disarm stop'],
    stop_due: ['stopping', 'kill'],
    shutdown: ['stopping', 'kill'],
  },
  failed: {
    wanted: ['failed', 'fail_waiting'],
    backoff_due: ['closed'],
    reset: ['closed', 'disarm backoff'],
    shutdown: ['over', 'disarm backoff', 'fail_waiting'],
  },
  over: { wanted: ['over', 'fail_waiting'] },
}

const cells = Object.entries(STATES).flatMap(([name, state]) =>
  Object.values(EVENTS).map((event) => ({ name, type: event.type, state, event })),
)

/** Plays events from a new service. */
const play = (events: readonly WakeEvent[], from: ServiceState = NEW_SERVICE) => {
  let state = from
  let commands: readonly WakeCommand[] = []
  for (const event of events) ({ state, commands } = transition(state, event, TIMES))
  return { state, commands, words: commands.map(wordOf) }
}

const at = (now: number, ...types: readonly ('wanted' | 'ready' | 'unused' | 'ended')[]): WakeEvent[] =>
  types.map((type) => (type === 'ended' ? { type, now, message: 'exited with code 1' } : { type, now }))

/** Ends before it is ready, `times` times, each time as soon as it may be started. */
const failStarts = (times: number) => {
  let state: ServiceState = NEW_SERVICE
  let now = 1000
  const pauses: number[] = []
  for (let round = 0; round < times; round++) {
    state = play(at(now, 'wanted', 'ended'), state).state
    const until = state.at === 'failed' ? state.until : now
    pauses.push(until - now)
    now = until
    state = transition(state, { type: 'backoff_due', now }, TIMES).state
  }
  return { pauses, state, now }
}

describe('a service', () => {
  it.each(cells)('that is $name meets $type as the table says', ({ name, type, state, event }) => {
    const [to, ...words] = TABLE[name as keyof typeof STATES][type] ?? [state.at]
    const step = transition(state, event, TIMES)
    expect([step.state.at, ...step.commands.map(wordOf)]).toEqual([to, ...words])
  })

  it.each(cells)('that is $name is not started by $type unless nothing of it runs', ({ state, event }) => {
    const { commands } = transition(state, event, TIMES)
    const runs = state.at === 'starting' || state.at === 'open' || state.at === 'stopping'
    const starts = commands.filter(({ type }) => type === 'start')
    expect(starts.length).toBeLessThanOrEqual(runs && event.type !== 'ended' ? 0 : 1)
  })

  it.each(cells)('that is $name tells who waits something after $type when it is wanted', ({ state }) => {
    const { state: next, commands } = transition(state, EVENTS.wanted, TIMES)
    const isTold = commands.some(({ type }) => type === 'fail_waiting' || type === 'serve_waiting')
    const isComing = next.at === 'starting' || (next.at === 'stopping' && next.isWanted)
    expect(isTold || isComing).toBe(true)
  })

  it('that is asked for while it stops is started once it has ended, however often it was asked for', () => {
    const { state, words } = play(at(1000, 'wanted', 'ready', 'unused', 'wanted', 'wanted', 'ended'))
    expect(state.at).toBe('starting')
    expect(words).toEqual(['disarm stop', 'arm start 3000', 'start'])
  })

  it('whose first start fails is started by the next client at once', () => {
    const { state, words } = play(at(1000, 'wanted', 'ended'))
    expect(state.at).toBe('closed')
    expect(words).toEqual(['disarm start', 'fail_waiting'])
    expect(play(at(1000, 'wanted'), state).state.at).toBe('starting')
  })

  it('that fails again and again is left alone twice as long each time, for half a minute at most', () => {
    const { pauses } = failStarts(11)
    expect(pauses).toEqual([0, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000, 30_000])
  })

  it('that is left alone says to each client why, and for how long still', () => {
    const first = play(at(1000, 'wanted', 'ended', 'wanted', 'ended'))
    expect(first.commands).toContainEqual({
      type: 'fail_waiting',
      message: expect.stringMatching(/^did not start: it exited with code 1.*not started again for 0.5 s$/),
    })
    const later = play(at(1200, 'wanted'), first.state)
    expect(later.commands).toEqual([
      { type: 'fail_waiting', message: expect.stringContaining('(0.3 s left)') },
    ])
  })

  it.each([
    [9999, 'failed'],
    [10_000, 'closed'],
  ] as const)('that failed and then dies after having been open for %i ms is %s', (openMs, to) => {
    const { state } = play([...at(1000, 'wanted', 'ended', 'wanted', 'ready'), ...at(1000 + openMs, 'ended')])
    expect(state.at).toBe(to)
  })

  it('that was stopped because nobody used it has no failures any more', () => {
    const { state } = play(at(1000, 'wanted', 'ended', 'wanted', 'ready', 'unused', 'ended'))
    expect(state).toMatchObject({ at: 'closed', history: { failures: 0 } })
  })

  it('that was late is a failure once it has been stopped, also when somebody waits for the next start', () => {
    const late: WakeEvent = { type: 'start_due', message: 'late', now: 4000 }
    const once = play([...at(1000, 'wanted'), late, ...at(4100, 'wanted', 'ended')])
    expect(once.state).toMatchObject({ at: 'starting', history: { failures: 1 } })
    const twice = play([late, ...at(4100, 'wanted', 'ended')], once.state)
    expect(twice.state).toMatchObject({ at: 'failed', until: 4600, history: { failures: 2 } })
    expect(twice.words).toContain('fail_waiting')
  })

  describe('that is started 20 times within 2 s', () => {
    const round = at(0, 'wanted', 'ready', 'unused', 'ended')
    const rounds = (count: number, everyMs: number): WakeEvent[] =>
      Array.from({ length: count }, (_, nth) =>
        round.map((event) => ({ ...event, now: 1000 + nth * everyMs })),
      ).flat()

    it('is left alone for 10 s from its last start, and says so', () => {
      const { state } = play(rounds(STORM_STARTS, 100))
      expect(state.at).toBe('closed')
      const { state: next, commands } = play(at(3000, 'wanted'), state)
      expect(next).toMatchObject({ at: 'failed', until: 12_900 })
      expect(commands).toEqual([
        { type: 'fail_waiting', message: expect.stringContaining('20 times within 2 s') },
        { type: 'arm', timer: 'backoff', ms: 9900 },
      ])
    })

    it('says that also when the last of them fails', () => {
      const { commands } = play([...rounds(STORM_STARTS - 1, 100), ...at(2950, 'wanted', 'ended')])
      expect(commands).toContainEqual({
        type: 'fail_waiting',
        message: expect.stringMatching(/exited with code 1.*20 times within 2 s/),
      })
    })

    it('is started again after that', () => {
      const stormy = play([...rounds(STORM_STARTS, 100), ...at(3000, 'wanted')])
      const { state } = play([{ type: 'backoff_due', now: 12_900 }, ...at(12_900, 'wanted')], stormy.state)
      expect(state.at).toBe('starting')
    })

    it('is started at once when it was reset by hand', () => {
      const stormy = play([...rounds(STORM_STARTS, 100), ...at(3000, 'wanted')])
      expect(play([{ type: 'reset', now: 3000 }, ...at(3000, 'wanted')], stormy.state).state.at).toBe(
        'starting',
      )
    })

    it('is no storm with one start less, or a little slower', () => {
      expect(play([...rounds(STORM_STARTS - 1, 0), ...at(1000, 'wanted')]).state.at).toBe('starting')
      expect(play([...rounds(STORM_STARTS, 106), ...at(3200, 'wanted')]).state.at).toBe('starting')
    })
  })

  it.each(Object.entries(STATES))('that is %s forgets what it has failed when it is reset', (name, state) => {
    const { state: next } = transition(state, EVENTS.reset, TIMES)
    if (name !== 'over') expect(next.history).toEqual(NEW_HISTORY)
    else expect(next).toBe(state)
  })
})
