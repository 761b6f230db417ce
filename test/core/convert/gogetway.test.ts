import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FrameRecord } from '../../../src/core/codec/capture.js'
import { encodeGogetwayFrame } from '../../../src/core/codec/gogetway/frame.js'
import { createGogetwayReader } from '../../../src/core/codec/gogetway/reader.js'
import { createPcapngReader } from '../../../src/core/codec/pcapng/reader.js'
import type { ConversationEvent } from '../../../src/core/conversation.js'
import type { ConversationEncoder } from '../../../src/core/convert/encoder.js'
import { createGogetwayEncoder } from '../../../src/core/convert/gogetway.js'
import { createPcapngEncoder } from '../../../src/core/convert/pcapng.js'
import { createFrameConversations } from '../../../src/core/reassembly/frames.js'
import { createPacketConversations } from '../../../src/core/reassembly/packets.js'
import { concat, readAll } from '../codec/builders.js'
import { closed, fin, gap, opened, sent } from '../inspect/events.js'

const encode = (encoder: ConversationEncoder, events: Iterable<ConversationEvent>): Uint8Array => {
  const parts: Uint8Array[] = []
  for (const piece of encoder.start()) parts.push(piece.slice())
  for (const event of events) for (const piece of encoder.push(event)) parts.push(piece.slice())
  return concat(...parts)
}

const framesOf = (file: Uint8Array): readonly FrameRecord[] =>
  readAll(createGogetwayReader(), file).map((record) => {
    if (record.kind !== 'frame') throw new Error(`${record.kind} in a file of frames`)
    return record
  })

function* eventsOfFrames(file: Uint8Array): Generator<ConversationEvent> {
  const conversations = createFrameConversations()
  for (const record of readAll(createGogetwayReader(), file)) yield* conversations.push(record)
  yield* conversations.end()
}

function* eventsOfPackets(file: Uint8Array): Generator<ConversationEvent> {
  const conversations = createPacketConversations()
  for (const record of readAll(createPcapngReader(), file)) {
    if (record.kind === 'damage') throw new Error(record.message)
    yield* conversations.push(record)
  }
  yield* conversations.end()
}

describe('conversations as frames', () => {
  it('have one frame for each chunk, from its sender to its receiver', () => {
    const file = encode(createGogetwayEncoder(), [
      opened(1),
      sent(1, 'upstream', 'ping', { ms: 1 }),
      gap(1, 'downstream', 0, 9),
      sent(1, 'downstream', 'pong', { ms: 2 }),
      fin(1, 'upstream'),
      closed(1, null),
    ])
    expect(
      framesOf(file).map(({ timeNs, type, from, to, body }) => [
        timeNs,
        type,
        from,
        to,
        String.fromCharCode(...body),
      ]),
    ).toEqual([
      [1_000_000n, 1, '10.0.0.1:1001', '10.0.0.2:80', 'ping'],
      [2_000_000n, 1, '10.0.0.2:80', '10.0.0.1:1001', 'pong'],
    ])
  })

  it.each([
    ['unix:/run/a...b', 'unix:/run/a%2E%2E%2Eb'],
    ['unix:/run/app.', 'unix:/run/app%2E'],
    ['unix:/run/a\nb', 'unix:/run/a%0Ab'],
    ['unix:/run/größe', 'unix:/run/größe'],
  ])('carry the end %j as %j', (client, name) => {
    const events = [opened(1, { client }), sent(1, 'upstream', 'x'), sent(1, 'downstream', 'y')]
    const frames = framesOf(encode(createGogetwayEncoder(), events))
    expect(frames.map(({ from, to }) => [from, to])).toEqual([
      [name, '10.0.0.2:80'],
      ['10.0.0.2:80', name],
    ])
  })

  it('have room for any name and any time that a file can claim', () => {
    const long = 'ü\n.'.repeat(400)
    const events = [
      opened(1, { client: long, server: long }),
      { ...sent(1, 'upstream', 'x'), timeNs: 2n ** 80n },
    ]
    expect(framesOf(encode(createGogetwayEncoder(), events))).toHaveLength(1)
  })
})

/** Payloads with what the format has to escape, and around the packet size. */
const payload = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 40 }),
  fc
    .array(fc.constantFrom('--benbens--\nt', '\nt', '\n', 't', 'x'), { minLength: 1, maxLength: 8 })
    .map((parts) => new TextEncoder().encode(parts.join(''))),
  fc.constantFrom(65_494, 65_495).map((length) => new Uint8Array(length).fill(length)),
)

const ENDS = [
  ['127.0.0.1:5000', '127.0.0.1:80'],
  ['[::1]:5000', '[::1]:80'],
  ['127.0.0.1:5001', '127.0.0.1:80'],
  ['unix:', 'unix:/run/db.sock'],
] as const

const frame = fc
  .record({
    ends: fc.constantFrom(...ENDS),
    reply: fc.boolean(),
    body: payload,
    step: fc.bigInt(1n, 10n ** 9n),
  })
  .map(({ ends: [client, server], reply, body, step }) => ({
    from: reply ? server : client,
    to: reply ? client : server,
    body,
    step,
  }))

const fileOfFrames = (
  frames: readonly { from: string; to: string; body: Uint8Array; step: bigint }[],
): Uint8Array => {
  let timeNs = 1_800_000_000_123_456_789n
  return concat(
    ...frames.map(({ from, to, body, step }) => {
      timeNs += step
      return encodeGogetwayFrame({ timeNs, type: 1, from, to, body })
    }),
  )
}

describe('gogetway to pcapng and back', () => {
  it('gives the same frames, byte for byte', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 30 }), (frames) => {
        const file = fileOfFrames(frames)
        const pcapng = encode(createPcapngEncoder('test'), eventsOfFrames(file))
        const back = encode(createGogetwayEncoder(), eventsOfPackets(pcapng))
        expect(Buffer.compare(back, file)).toBe(0)
      }),
      { numRuns: 60 },
    )
  })

  it('splits a payload that no packet can hold, and loses nothing of it', () => {
    const body = Uint8Array.from({ length: 5_000_000 }, (_, at) => (at * 31) % 253)
    const file = encodeGogetwayFrame({ timeNs: 7n, type: 1, from: '127.0.0.1:5', to: '127.0.0.1:6', body })
    const pcapng = encode(createPcapngEncoder('test'), eventsOfFrames(file))
    const frames = framesOf(encode(createGogetwayEncoder(), eventsOfPackets(pcapng)))
    expect(frames.length).toBeGreaterThan(70)
    expect(new Set(frames.map(({ timeNs }) => timeNs))).toEqual(new Set([7n]))
    expect(Buffer.compare(concat(...frames.map((one) => one.body)), body)).toBe(0)
  })

  it('keeps what no address is as the name of a unix socket', () => {
    const file = encodeGogetwayFrame({
      timeNs: 7n,
      type: 1,
      from: 'laptop',
      to: 'server',
      body: Uint8Array.of(1),
    })
    const events = [...eventsOfPackets(encode(createPcapngEncoder('test'), eventsOfFrames(file)))]
    expect(events[0]).toMatchObject({
      kind: 'open',
      client: 'unix:laptop',
      server: 'unix:server',
      listener: 'gogetway',
    })
  })

  it('makes a valid file of no frames at all', () => {
    const file = encode(createPcapngEncoder('test'), [])
    expect(readAll(createPcapngReader(), file).map(({ kind }) => kind)).toEqual(['section', 'interface'])
  })
})
