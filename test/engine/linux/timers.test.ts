import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CallbackTimer, type Timer, TimerWheel } from '../../../src/engine/linux/timers.js'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

/** What a timer may be late by. */
const TICK_MS = 10

const firing = (wheel: TimerWheel, ms: number): { timer: Timer; at: () => number | null } => {
  let firedAt: number | null = null
  const timer = new CallbackTimer(() => {
    firedAt = performance.now()
  })
  wheel.set(timer, performance.now() + ms)
  return { timer, at: () => firedAt }
}

describe('the timer wheel', () => {
  it.each([1, 9, 10, 400, 10_230, 10_240, 10_250, 600_000])(
    'fires a timer of %d ms never early, and at most a tick late',
    (ms) => {
      const wheel = new TimerWheel()
      vi.advanceTimersByTime(7)
      const due = performance.now() + ms
      const { at } = firing(wheel, ms)
      vi.advanceTimersByTime(ms + 2 * TICK_MS)
      expect(at()).toBeGreaterThanOrEqual(due)
      expect(at()).toBeLessThanOrEqual(due + TICK_MS + 1)
    },
  )

  it('drives a thousand timers with one of Node, and none when there are none', () => {
    const wheel = new TimerWheel()
    const timers = Array.from({ length: 1000 }, (_, i) => firing(wheel, 50 + 7 * i).timer)
    expect(vi.getTimerCount()).toBe(1)
    for (const timer of timers) wheel.clear(timer)
    vi.advanceTimersByTime(20_000)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('does not fire what was cleared, nor twice what was moved', () => {
    const wheel = new TimerWheel()
    const cleared = firing(wheel, 100)
    let fired = 0
    const moved = new CallbackTimer(() => fired++)
    wheel.set(moved, performance.now() + 100)
    wheel.clear(cleared.timer)
    wheel.clear(cleared.timer)
    wheel.set(moved, performance.now() + 300)
    vi.advanceTimersByTime(250)
    expect([cleared.at(), fired]).toEqual([null, 0])
    vi.advanceTimersByTime(1000)
    expect([cleared.at(), fired]).toEqual([null, 1])
  })

  it('lets a timer that fires clear its neighbour and set itself again', () => {
    const wheel = new TimerWheel()
    const neighbour = firing(wheel, 100)
    let fired = 0
    const again = new CallbackTimer(() => {
      wheel.clear(neighbour.timer)
      if (++fired < 3) wheel.set(again, performance.now() + 20)
    })
    wheel.set(again, performance.now() + 100)
    vi.advanceTimersByTime(500)
    expect(fired).toBe(3)
    expect(neighbour.at()).toBeNull()
  })

  it('catches up with all that is due after the thread was kept busy for rounds', () => {
    const wheel = new TimerWheel()
    const timers = [100, 5000, 15_000].map((ms) => firing(wheel, ms))
    const start = performance.now()
    // The clock goes on without the timers, as when the thread is busy.
    const now = vi.spyOn(performance, 'now').mockReturnValue(start + 40_000)
    vi.advanceTimersByTime(150)
    now.mockRestore()
    expect(timers.map(({ at }) => at())).toEqual([start + 40_000, start + 40_000, start + 40_000])
  })

  it('drives nothing any more once it is closed', () => {
    const wheel = new TimerWheel()
    const { at } = firing(wheel, 100)
    wheel.close()
    vi.advanceTimersByTime(1000)
    expect(at()).toBeNull()
    expect(vi.getTimerCount()).toBe(0)
  })
})
