import { expect, it } from 'vitest'
import type { FrameRecord } from '../../../src/core/codec/capture.js'
import { createFrameConversations } from '../../../src/core/reassembly/frames.js'
import { ascii } from '../codec/builders.js'

const frame = (from: string, to: string, text: string): FrameRecord => ({
  kind: 'frame',
  offset: 0,
  timeNs: 5n,
  type: 1,
  from,
  to,
  body: ascii(text),
})

it('the first frame between two ends opens their connection, its sender being the client', () => {
  const reader = createFrameConversations()
  const told = [
    frame('a', 'b', 'hi'),
    frame('b', 'a', 'yes?'),
    frame('c', 'b', ''),
    frame('a', 'b', '!'),
  ].flatMap((one) => [...reader.push(one)])
  expect(told).toEqual([
    {
      kind: 'open',
      connection: 1,
      timeNs: 5n,
      client: 'a',
      server: 'b',
      listener: undefined,
      fromStart: true,
    },
    { kind: 'data', connection: 1, timeNs: 5n, direction: 'upstream', at: 0, bytes: ascii('hi') },
    { kind: 'data', connection: 1, timeNs: 5n, direction: 'downstream', at: 0, bytes: ascii('yes?') },
    expect.objectContaining({ kind: 'open', connection: 2, client: 'c' }),
    { kind: 'data', connection: 1, timeNs: 5n, direction: 'upstream', at: 2, bytes: ascii('!') },
  ])
  expect([...reader.end()]).toEqual([])
  expect(reader.ignored).toBe(0)
})
