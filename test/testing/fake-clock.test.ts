import { describe, expect, it } from 'vitest'
import { FakeClock } from '../../src/testing/index.js'

describe('a fake clock', () => {
  it('makes calls in the order they come due, each at its time, and none that was cancelled', () => {
    const clock = new FakeClock()
    const log: string[] = []
    const call = (name: string) => () => void log.push(`${name} ${clock.now()}`)
    clock.after(30, call('late'))
    clock.after(10, () => {
      call('early')()
      clock.after(5, call('from inside'))
    })
    clock.after(10, call('same time'))
    clock.after(20, call('never'))()
    clock.elapse(29)
    expect(log).toEqual(['early 10', 'same time 10', 'from inside 15'])
    expect(clock.pending).toBe(1)
    clock.elapse(1)
    expect(log.at(-1)).toBe('late 30')
    expect(clock.now()).toBe(30)
  })

  it('lets promises act between two calls, if asked to', async () => {
    const clock = new FakeClock()
    const rest = (ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve))
    let rests = 0
    const resting = (async () => {
      for (; rests < 5; rests++) await rest(10)
    })()
    await clock.advance(50)
    await resting
    expect(rests).toBe(5)
  })
})
