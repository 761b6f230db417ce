/** Streams cut into segments that are shuffled, repeated, overlapped and lost: what comes out is the stream, with a gap exactly where no segment had the byte. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ConversationEvent } from '../../src/core/conversation.js'
import { createPacketConversations } from '../../src/core/reassembly/packets.js'
import { down, packet, up } from '../core/reassembly/builders.js'

const LENGTH = 200
const stream = Uint8Array.from({ length: LENGTH }, (_, index) => (index * 31) & 255)

const segment = fc
  .tuple(fc.nat(LENGTH - 1), fc.integer({ min: 1, max: 40 }))
  .map(([from, length]) => ({ from, to: Math.min(from + length, LENGTH) }))

/** What the file has of the stream, and -1 for what it has not, up to the last byte that was told of. */
const putTogether = (events: readonly ConversationEvent[]): number[] => {
  const whole: number[] = []
  for (const event of events) {
    if ((event.kind !== 'data' && event.kind !== 'gap') || event.direction !== 'upstream') continue
    expect(event.at).toBe(whole.length)
    whole.push(...(event.kind === 'data' ? event.bytes : new Array<number>(event.length).fill(-1)))
  }
  return whole
}

describe('segments in any order, repeated, overlapping, some of them missing', () => {
  it('become the stream, from any initial sequence number', () => {
    const isn = fc.oneof(fc.nat(0xffffffff), fc.integer({ min: 0xffffff00, max: 0xffffffff }))
    fc.assert(
      fc.property(isn, fc.array(segment, { maxLength: 40 }), fc.boolean(), (initial, segments, reset) => {
        const reader = createPacketConversations()
        const packets = [
          up({ flags: 'S', seq: initial }),
          down({ flags: 'SA', seq: 1, ack: initial + 1 }),
          ...segments.map(({ from, to }) => up({ seq: initial + 1 + from, data: stream.subarray(from, to) })),
          reset ? down({ flags: 'R', seq: 2 }) : up({ flags: 'FA', seq: initial + 1 + LENGTH }),
        ]
        const events = [...packets.flatMap((one) => [...reader.push(one)]), ...reader.end()]
        const has = new Set(
          segments.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, i) => from + i)),
        )
        const end = reset ? Math.max(-1, ...has) + 1 : LENGTH
        expect(putTogether(events)).toEqual(
          Array.from({ length: end }, (_, index) => (has.has(index) ? stream[index] : -1)),
        )
        expect(events.filter(({ kind }) => kind === 'fin')).toHaveLength(reset ? 0 : 1)
        expect(events.filter(({ kind }) => kind === 'close')).toHaveLength(reset ? 1 : 0)
      }),
      { numRuns: 500 },
    )
  })
})

describe('packets with anything in their headers', () => {
  const end = fc.constantFrom<readonly [readonly number[], number]>(
    [[10, 0, 0, 1], 1000],
    [[10, 0, 0, 2], 80],
    [[10, 0, 0, 2], 1000],
  )
  const sequence = fc.oneof(fc.integer({ min: 100, max: 140 }), fc.nat(0xffffffff))
  const flags = fc.constantFrom('A', 'A', 'A', 'S', 'SA', 'FA', 'F', 'R', 'RA', 'SFRA', '')
  const any = fc.record({
    from: end,
    to: end,
    flags,
    seq: sequence,
    ack: sequence,
    data: fc.constantFrom('', 'a', 'bcdef'),
  })

  it('never lead to a throw, or to a stream that jumps or goes on after its FIN', () => {
    fc.assert(
      fc.property(fc.array(any, { maxLength: 60 }), (packets) => {
        const reader = createPacketConversations()
        const events = [...packets.flatMap((one) => [...reader.push(packet(one))]), ...reader.end()]
        const next = new Map<string, number>()
        const ended = new Set<string>()
        for (const event of events) {
          if (event.kind === 'open' || event.kind === 'continue') continue
          expect(ended.has(`${event.connection}`)).toBe(false)
          if (event.kind === 'close') {
            ended.add(`${event.connection}`)
            continue
          }
          const name = `${event.connection} ${event.direction}`
          expect(ended.has(name)).toBe(false)
          if (event.kind === 'fin') {
            ended.add(name)
            continue
          }
          expect(event.at).toBe(next.get(name) ?? 0)
          next.set(name, event.at + (event.kind === 'data' ? event.bytes.length : event.length))
        }
      }),
      { numRuns: 1000 },
    )
  })
})
