import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LinkClock } from '../../../src/engine/portable/link-clock.js'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

const clockWith = (idleTimeoutMs: number, halfCloseTimeoutMs: number) => {
  const expired: string[] = []
  const queue = { bytes: 0 }
  const clock = new LinkClock({
    idleTimeoutMs,
    halfCloseTimeoutMs,
    queued: () => queue.bytes,
    onExpired: (reason) => expired.push(reason),
  })
  return { clock, expired, queue }
}

describe("a link's clock", () => {
  it('expires exactly the idle timeout after the last movement', () => {
    const { clock, expired } = clockWith(1000, 0)
    vi.advanceTimersByTime(900)
    clock.moved()
    vi.advanceTimersByTime(999)
    expect(expired).toEqual([])
    vi.advanceTimersByTime(1)
    expect(expired).toEqual(['idle_timeout'])
  })

  it('sets one timer only, however often something moves', () => {
    const { clock } = clockWith(1000, 0)
    for (let i = 0; i < 100; i++) clock.moved()
    expect(vi.getTimerCount()).toBe(1)
  })

  it('does not count the time on hold', () => {
    const { clock, expired } = clockWith(1000, 0)
    vi.advanceTimersByTime(600)
    clock.hold()
    vi.advanceTimersByTime(100_000)
    clock.release()
    vi.advanceTimersByTime(399)
    expect(expired).toEqual([])
    vi.advanceTimersByTime(1)
    expect(expired).toEqual(['idle_timeout'])
  })

  it('applies the half-close timeout from the end on, anew with each movement', () => {
    const { clock, expired } = clockWith(0, 1000)
    vi.advanceTimersByTime(5000)
    clock.halfClosed()
    vi.advanceTimersByTime(900)
    clock.moved()
    vi.advanceTimersByTime(999)
    expect(expired).toEqual([])
    vi.advanceTimersByTime(1)
    expect(expired).toEqual(['half_close_timeout'])
  })

  it('takes a queue that has changed for movement', () => {
    const { expired, queue } = clockWith(1000, 0)
    vi.advanceTimersByTime(500)
    queue.bytes = 10
    vi.advanceTimersByTime(1499)
    expect(expired).toEqual([])
    vi.advanceTimersByTime(1)
    expect(expired).toEqual(['idle_timeout'])
  })

  it('waits longer than one timer can', () => {
    const days = 24 * 3600 * 1000
    const { expired } = clockWith(30 * days, 0)
    vi.advanceTimersByTime(29 * days)
    expect(expired).toEqual([])
    vi.advanceTimersByTime(days)
    expect(expired).toEqual(['idle_timeout'])
  })

  it('keeps no timer when there is no limit, or it has been stopped', () => {
    clockWith(0, 0)
    clockWith(1000, 1000).clock.stop()
    expect(vi.getTimerCount()).toBe(0)
  })
})
