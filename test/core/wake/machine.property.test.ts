import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LONGEST_BACKOFF_MS, STORM_WAIT_MS } from '../../../src/core/wake/history.js'
import { LONGEST_WAIT_MS, type Temper, TIMES, WELL, World } from './world.js'

type Act = (world: World) => void

const ms = fc.integer({ min: 0, max: 1500 })
const sometimes = (arbitrary: fc.Arbitrary<number>, freq: number) => fc.option(arbitrary, { freq, nil: null })

/** Quick and slow ones, some that die, some that do not obey. */
const tempers: fc.Arbitrary<Temper> = fc.record({
  readyAfterMs: sometimes(ms, 5),
  diesAfterMs: fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: ms }),
  stopsAfterMs: sometimes(fc.integer({ min: 0, max: 500 }), 4),
})

const passing = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 1, max: 20 }),
  fc.integer({ min: 20, max: 1500 }),
  fc.integer({ min: 1500, max: 20_000 }),
)

const acts: fc.Arbitrary<Act> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Act>((world) => void world.connect()) },
  {
    weight: 4,
    arbitrary: fc.nat(10).map(
      (nth): Act =>
        (world) =>
          world.leave(nth),
    ),
  },
  { weight: 1, arbitrary: fc.constant<Act>((world) => void world.connect(true)) },
  { weight: 2, arbitrary: fc.constant<Act>((world) => world.leaveAll()) },
  { weight: 2, arbitrary: fc.constant<Act>((world) => world.crash()) },
  {
    weight: 6,
    arbitrary: passing.map(
      (time): Act =>
        (world) =>
          world.pass(time),
    ),
  },
  {
    weight: 2,
    arbitrary: tempers.map(
      (temper): Act =>
        (world) => {
          world.temper = temper
        },
    ),
  },
  { weight: 1, arbitrary: fc.constant<Act>((world) => world.reset()) },
)

/** As long as asked for: by default they would be ten acts at most. */
const lives = fc.array(acts, { minLength: 1, maxLength: 200, size: 'max' })

const play = (life: readonly Act[]): World => {
  const world = new World()
  for (const act of life) act(world)
  return world
}

const isSettled = (world: World): boolean => world.clients.every(({ at }) => at !== 'waiting')

describe('a service, whatever happens to it', () => {
  it('runs once at most, and settles with everybody who waits in bounded time', () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(lives, (life) => {
        const world = play(life)
        for (const what of world.seen) seen.add(what)
        world.pass(LONGEST_WAIT_MS)
        expect(isSettled(world)).toBe(true)
        const silent = world.clients.filter(({ at, reason }) => at === 'told' && reason === '')
        expect(silent).toEqual([])
      }),
      { numRuns: 300 },
    )
    // These lives were eventful, or they would show nothing.
    for (const what of [
      'starting',
      'open',
      'stopping',
      'failed',
      'closed',
      'kill',
      'serve_waiting',
      'cut_users',
    ])
      expect(seen).toContain(what)
  })

  it('serves a new client after some time by itself, once it is well', () => {
    fc.assert(
      fc.property(lives, (life) => {
        const world = play(life)
        world.temper = WELL
        // What is running may still be of the old kind: it is ended by hand.
        world.pass(LONGEST_WAIT_MS)
        world.crash()
        world.pass(Math.max(LONGEST_BACKOFF_MS, STORM_WAIT_MS))
        const client = world.connect()
        world.pass(LONGEST_WAIT_MS)
        expect(client.at).toBe('served')
      }),
      { numRuns: 300 },
    )
  })

  it('serves a new client at once when it was left alone, is well now, and is reset', () => {
    fc.assert(
      fc.property(lives, (life) => {
        const world = play(life)
        fc.pre(world.state.at === 'failed' || world.state.at === 'closed')
        world.temper = WELL
        world.reset()
        const client = world.connect()
        world.pass(10)
        expect(client.at).toBe('served')
      }),
      { numRuns: 200 },
    )
  })

  it('is over in time when it is shut down, and serves nobody after that', () => {
    fc.assert(
      fc.property(lives, lives, (life, after) => {
        const world = play(life)
        world.shutdown()
        expect(isSettled(world)).toBe(true)
        const { starts } = world
        for (const act of after) act(world)
        // A stop that was under way is given its whole time anew; then it is killed.
        world.pass(TIMES.stopTimeoutMs + 3)
        expect(world.state.at).toBe('over')
        expect(world.isRunning).toBe(false)
        expect(world.starts).toBe(starts)
        expect(world.connect().at).toBe('told')
      }),
      { numRuns: 300 },
    )
  })

  it('bears events that come late, twice, or for nothing', () => {
    const stray = fc.constantFrom(
      { type: 'ready' } as const,
      { type: 'start_due', message: 'late' } as const,
      { type: 'unused' } as const,
      { type: 'stop_due' } as const,
      { type: 'backoff_due' } as const,
    )
    // Only those that the state at hand does not expect.
    const expected: Record<string, readonly string[]> = {
      starting: ['ready', 'start_due'],
      open: ['unused'],
      stopping: ['stop_due'],
      failed: ['backoff_due'],
    }
    fc.assert(
      fc.property(fc.array(fc.tuple(acts, stray), { maxLength: 200, size: 'max' }), (life) => {
        const world = new World()
        for (const [act, event] of life) {
          act(world)
          const before = world.state
          if (expected[before.at]?.includes(event.type) === true) continue
          world.tell(event)
          expect(world.state).toBe(before)
        }
        world.pass(LONGEST_WAIT_MS)
        expect(isSettled(world)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  it('keeps to its backoff exactly while it dies at each start', () => {
    const world = new World()
    world.temper = { readyAfterMs: null, diesAfterMs: 0, stopsAfterMs: 0 }
    const startedAt: number[] = []
    for (let time = 0; time < 200_000; time += 50) {
      const before = world.starts
      world.connect()
      if (world.starts > before) startedAt.push(world.now)
      world.pass(50)
    }
    const pauses = startedAt.slice(1).map((at, nth) => at - (startedAt[nth] ?? 0))
    expect(pauses).toEqual([50, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000, 30_000, 30_000])
  })
})
