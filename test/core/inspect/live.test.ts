import { expect, it } from 'vitest'
import { LiveConversations } from '../../../src/core/inspect/live.js'
import { SERIES } from '../reassembly/series.js'

it('knows which recording a file is of until it is to forget it', () => {
  const [[section, ...packets]] = SERIES as [(typeof SERIES)[number]]
  const eventsAfter = (forget: boolean): number => {
    const live = new LiveConversations()
    let events = [...live.push(section, 'a')].length
    if (forget) live.forget('a')
    for (const packet of packets) events += [...live.push(packet, 'a')].length
    return events
  }
  expect(eventsAfter(false)).toBeGreaterThan(0)
  expect(eventsAfter(true)).toBe(0)
})
