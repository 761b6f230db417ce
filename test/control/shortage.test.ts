import { describe, expect, it } from 'vitest'
import { ASK_AGAIN_MS, EVICTED_AT_A_TIME, Shortage } from '../../src/control/shortage.js'

/** A plane with idle connections, others that have some, and a clock. */
const scene = ({ here = 0, elsewhere = 0 }) => {
  const state = { here, elsewhere, now: 0, looks: 0 }
  const asked: number[] = []
  const shortage = new Shortage({
    evictIdle: (count) => {
      const evicted = Math.min(count, state.here)
      state.here -= evicted
      return evicted
    },
    idleElsewhere: () => {
      state.looks++
      return state.elsewhere
    },
    ask: (missing) => void asked.push(missing),
    now: () => state.now,
  })
  return { state, asked, shortage }
}

describe('a plane whose descriptors are short', () => {
  it('closes idle connections of its own first, and asks others only for what is missing', () => {
    const { state, asked, shortage } = scene({ here: 13, elsewhere: 50 })
    shortage.met()
    expect({ here: state.here, asked }).toEqual({ here: 5, asked: [] })
    shortage.met()
    expect({ here: state.here, asked }).toEqual({ here: 0, asked: [EVICTED_AT_A_TIME - 5] })
  })

  it('asks nobody while nobody has idle connections, and looks for some ten times a second at most', () => {
    const { state, asked, shortage } = scene({})
    for (; state.now < 10 * ASK_AGAIN_MS; state.now++) for (let n = 0; n < 50; n++) shortage.met()
    expect({ asked, looks: state.looks }).toEqual({ asked: [], looks: 10 })
  })

  it('finds those that have become idle within a tenth of a second', () => {
    const { state, asked, shortage } = scene({})
    shortage.met()
    state.elsewhere = 3
    state.now = ASK_AGAIN_MS - 1
    shortage.met()
    expect(asked).toEqual([])
    state.now = ASK_AGAIN_MS
    shortage.met()
    expect(asked).toEqual([EVICTED_AT_A_TIME])
  })

  it('asks once for many descriptors that become free, and again when that closed some, or after a tenth of a second', () => {
    const { state, asked, shortage } = scene({ elsewhere: 50 })
    for (let n = 0; n < 1000; n++) shortage.met()
    expect(asked).toHaveLength(1)
    state.elsewhere -= EVICTED_AT_A_TIME
    for (let n = 0; n < 1000; n++) shortage.met()
    expect(asked).toHaveLength(2)
    state.now = ASK_AGAIN_MS
    for (let n = 0; n < 1000; n++) shortage.met()
    expect(asked).toHaveLength(3)
    state.elsewhere = 0
    state.now = 2 * ASK_AGAIN_MS
    for (let n = 0; n < 1000; n++) shortage.met()
    expect(asked).toHaveLength(3)
  })
})
