import { describe, expect, it } from 'vitest'
import type { PacketRecord } from '../../../src/core/codec/capture.js'
import { createPacketConversations } from '../../../src/core/reassembly/packets.js'
import { encodeAnnotation } from '../../../src/core/record/annotation.js'
import { CLIENT, down, handshake, ip, packet, packetOf, SERVER, tell, up } from './builders.js'

const events = (...packets: readonly PacketRecord[]): string[] => tell(createPacketConversations(), packets)
const gapComment = (
  direction: 'upstream' | 'downstream',
  at: number,
  length: number,
  why = 'write failed',
): string => encodeAnnotation({ kind: 'gap', direction, at, length, why })

const OPEN = '1 open 10.0.0.1:40000 > 10.0.0.2:80'

describe('a connection captured from start to end', () => {
  const farewell = [
    up({ flags: 'FA', seq: 104, ack: 503 }),
    down({ flags: 'FA', seq: 503, ack: 105 }),
    up({ seq: 105, ack: 504 }),
  ]
  const whole = [
    ...handshake(),
    up({ seq: 101, data: 'GET' }),
    down({ seq: 501, ack: 104, data: 'OK' }),
    ...farewell,
  ]
  const told = [
    OPEN,
    '1 upstream 0: GET',
    '1 downstream 0: OK',
    '1 upstream fin',
    '1 downstream fin',
    '1 close fin',
  ]

  it('is told in order, closing with the last acknowledgment', () => {
    expect(tell(createPacketConversations(), whole, { ended: false })).toEqual(told)
  })

  it('is not told again by late retransmissions', () => {
    expect(events(...whole, ...farewell, whole[3]!, whole[0]!)).toEqual(told)
  })

  it('is closed at the end of the file where the last acknowledgment is missing', () => {
    expect(events(...whole.slice(0, -1))).toEqual(told)
  })

  it('stays open where the file ends before', () => {
    expect(events(...whole.slice(0, -2))).toEqual(told.slice(0, -2))
  })
})

describe('who is the client', () => {
  it('is the sender of the SYN', () => {
    const fields = { from: SERVER, to: CLIENT, flags: 'S', seq: 1 }
    expect(events(packet(fields))).toEqual(['1 open 10.0.0.2:80 > 10.0.0.1:40000'])
  })

  it('is the receiver of a SYN-ACK, whose acknowledgment tells where the client begins', () => {
    expect(events(down({ flags: 'SA', seq: 500, ack: 101 }), up({ seq: 103, data: 'c' }))).toEqual([
      OPEN,
      '1 upstream 0: gap of 2',
      '1 upstream 2: c',
    ])
  })

  it('is the end with the higher port where the capture began midway', () => {
    expect(events(down({ seq: 7, data: 'x' }), up({ seq: 9, data: 'y' }))).toEqual([
      `${OPEN} midway`,
      '1 downstream 0: x',
      '1 upstream 0: y',
    ])
  })

  it('is not asked of a bare acknowledgment or reset, which open nothing', () => {
    expect(events(up({ seq: 1 }), up({ flags: 'R', seq: 1 }))).toEqual([])
  })
})

describe('order', () => {
  it('is restored; what was captured twice is given once', () => {
    expect(
      events(
        ...handshake(),
        up({ seq: 104, data: 'def' }),
        up({ seq: 109, data: 'ij' }),
        up({ seq: 104, data: 'def' }),
        up({ seq: 101, data: 'abcde' }),
        up({ seq: 102, data: 'bcd' }),
        up({ seq: 106, data: 'fgh' }),
      ),
    ).toEqual([OPEN, '1 upstream 0: abcde', '1 upstream 5: f', '1 upstream 6: gh', '1 upstream 8: ij'])
  })

  it('is not disturbed by keep-alive probes', () => {
    expect(
      events(
        ...handshake(),
        up({ seq: 101, data: 'a' }),
        up({ seq: 101, data: '?' }),
        up({ seq: 101 }),
        up({ seq: 102, data: 'b' }),
      ),
    ).toEqual([OPEN, '1 upstream 0: a', '1 upstream 1: b'])
  })

  it('goes on where sequence numbers start anew at 2^32', () => {
    expect(
      events(
        up({ flags: 'S', seq: 0xffff_fffd }),
        up({ seq: 1, data: 'd' }),
        up({ seq: 0xffff_fffe, data: 'abc' }),
        up({ seq: 2, data: 'e' }),
      ),
    ).toEqual([OPEN, '1 upstream 0: abc', '1 upstream 3: d', '1 upstream 4: e'])
  })

  it('counts positions beyond 4 GiB', () => {
    const step = 2 ** 30
    const steps = Array.from({ length: 5 }, (_, index) =>
      up({ seq: 101 + (index + 1) * step, data: 'x' }, gapComment('upstream', index * step + 1, step - 1)),
    )
    const lines = events(...handshake(), up({ seq: 101, data: 'x' }), ...steps)
    expect(lines.filter((line) => line.endsWith('x'))).toEqual(
      Array.from({ length: 6 }, (_, index) => `1 upstream ${index * step}: x`),
    )
  })
})

describe('bytes that are missing', () => {
  const hole = [...handshake(), up({ seq: 101, data: 'a' }), up({ seq: 105, data: 'e' })]

  it('are waited for, and a gap at the end of the file', () => {
    expect(tell(createPacketConversations(), hole, { ended: false })).toEqual([OPEN, '1 upstream 0: a'])
    expect(events(...hole)).toEqual([OPEN, '1 upstream 0: a', '1 upstream 1: gap of 3', '1 upstream 4: e'])
  })

  it('are a gap once a reset ends the connection', () => {
    expect(
      tell(createPacketConversations(), [...hole, down({ flags: 'R', seq: 501 })], { ended: false }),
    ).toEqual([OPEN, '1 upstream 0: a', '1 upstream 1: gap of 3', '1 upstream 4: e', '1 close reset'])
  })

  it('are a gap once the FIN behind them is acknowledged', () => {
    const fin = [up({ flags: 'FA', seq: 106 }), down({ seq: 501, ack: 107 })]
    expect(tell(createPacketConversations(), [...hole, ...fin], { ended: false })).toEqual([
      OPEN,
      '1 upstream 0: a',
      '1 upstream 1: gap of 3',
      '1 upstream 4: e',
      '1 upstream fin',
    ])
  })

  it('are a gap once more than 1 MiB waits behind them', () => {
    const data = new Uint8Array(60_000)
    const later = Array.from({ length: 18 }, (_, index) => up({ seq: 111 + index * data.length, data }))
    const reader = createPacketConversations()
    const found = [...handshake(), ...later].flatMap((record) => [...reader.push(record)])
    expect(found.filter(({ kind }) => kind === 'gap')).toMatchObject([{ at: 0, length: 10, why: undefined }])
    expect(found.filter(({ kind }) => kind === 'data')).toHaveLength(18)
  })

  it('are a gap where the capture cut the packet', () => {
    const long = ip({ seq: 101, data: 'abcdef' })
    const cut = packetOf(long.subarray(0, long.length - 4), { originalLength: long.length })
    expect(events(...handshake(), cut, up({ seq: 107, data: 'g' }))).toEqual([
      OPEN,
      '1 upstream 0: ab',
      '1 upstream 2: gap of 4 (packet cut short by the capture)',
      '1 upstream 6: g',
    ])
  })
})

describe('a recording of Tidegate', () => {
  const open = encodeAnnotation({
    kind: 'open',
    id: 7,
    listener: 'web',
    client: 'unix:',
    server: 'db.internal:5432',
  })
  const close = (upstream: object = {}, downstream: object = {}, id = 7): string => {
    const none = { seen: 0, stored: 0, lost: [] }
    return encodeAnnotation({
      kind: 'close',
      id,
      reason: 'client_fin',
      upstream: { ...none, ...upstream },
      downstream: { ...none, ...downstream },
    })
  }
  const OPENED = '1 open unix: > db.internal:5432 on web'

  it('says who really talked, and why it ended, after both FINs', () => {
    expect(
      tell(
        createPacketConversations(),
        [
          ...handshake(open),
          up({ flags: 'FA', seq: 101, ack: 501 }),
          down({ flags: 'FA', seq: 501, ack: 102 }),
          up({ seq: 102, ack: 502 }, close()),
        ],
        { ended: false },
      ),
    ).toEqual([OPENED, '1 upstream fin', '1 downstream fin', '1 close fin client_fin'])
  })

  it('is closed at the end of the file where the close was lost', () => {
    expect(
      events(
        ...handshake(open),
        up({ flags: 'FA', seq: 101 }),
        down({ flags: 'FA', seq: 501, ack: 102 }),
        up({ seq: 102, ack: 502 }),
      ),
    ).toEqual([OPENED, '1 upstream fin', '1 downstream fin', '1 close fin'])
  })

  it('names its losses at once, each with its reason', () => {
    const packets = [
      ...handshake(open),
      up({ seq: 104, data: 'd' }),
      up(
        { seq: 107, data: 'g' },
        gapComment('upstream', 4, 2, 'overload'),
        gapComment('upstream', 0, 3, 'ENOSPC'),
      ),
    ]
    expect(tell(createPacketConversations(), packets, { ended: false })).toEqual([
      OPENED,
      '1 upstream 0: gap of 3 (ENOSPC)',
      '1 upstream 3: d',
      '1 upstream 4: gap of 2 (overload)',
      '1 upstream 6: g',
    ])
  })

  it('keeps its positions over a loss of more than 4 GiB', () => {
    const length = 5 * 2 ** 30 + 7
    const reader = createPacketConversations()
    const packets = [
      ...handshake(open),
      up({ seq: 101 + length, data: 'x' }, gapComment('upstream', 0, length)),
      up({ seq: 102 + length, data: 'y' }),
    ]
    const lines = tell(reader, packets)
    expect(lines.slice(1)).toEqual([
      `1 upstream 0: gap of ${length} (write failed)`,
      `1 upstream ${length}: x`,
      `1 upstream ${length + 1}: y`,
    ])
  })

  it('ends in a gap where the ledger has seen more bytes than there are', () => {
    const lost = [{ at: 1, length: 4, why: 'ENOSPC' }]
    const last = down(
      { flags: 'RA', seq: 501 },
      close({ seen: 5, stored: 1, lost }, { seen: 2, stored: 0, lost: [{ at: 0, length: 2, why: 'EIO' }] }),
    )
    expect(events(...handshake(open), up({ seq: 101, data: 'a' }), last)).toEqual([
      OPENED,
      '1 upstream 0: a',
      '1 upstream 1: gap of 4 (ENOSPC)',
      '1 downstream 0: gap of 2 (EIO)',
      '1 close reset client_fin',
    ])
  })

  it('puts a loss before the FIN that waits behind it', () => {
    const packets = [
      ...handshake(open),
      up({ flags: 'FA', seq: 104 }),
      down({ flags: 'RA', seq: 501 }, close({ seen: 3 })),
    ]
    expect(events(...packets)).toEqual([
      OPENED,
      '1 upstream 0: gap of 3',
      '1 upstream fin',
      '1 close reset client_fin',
    ])
  })

  it('whose first packets were lost says on the next who it is, which end is the client, and what is missing', () => {
    const real = encodeAnnotation({
      kind: 'open',
      id: 7,
      listener: 'web',
      client: '10.0.0.2:80',
      server: '10.0.0.1:40000',
    })
    expect(
      events(up({ seq: 105, data: 'e' }, real, gapComment('downstream', 0, 4)), down({ seq: 9, data: 'q' })),
    ).toEqual([
      '1 open 10.0.0.2:80 > 10.0.0.1:40000 midway on web',
      '1 downstream 0: gap of 4 (write failed)',
      '1 downstream 4: e',
      '1 upstream 0: q',
    ])
    expect(events(up({ seq: 105, data: 'e' }, open, gapComment('downstream', 0, 4)))[1]).toContain(
      'downstream',
    )
  })

  it('is not closed by the late close of an earlier connection between the same ends', () => {
    const next = encodeAnnotation({ kind: 'open', id: 8, listener: 'web', client: 'a:1', server: 'b:2' })
    expect(
      events(
        ...handshake(open),
        up({ flags: 'S', seq: 9000 }, next),
        up({ seq: 101 }, close()),
        up({ seq: 9001, data: 'x' }),
      ),
    ).toEqual([OPENED, '2 open a:1 > b:2 on web', '2 upstream 0: x'])
  })

  it('that is continued in a new section has no connection left of the old one', () => {
    const reader = createPacketConversations()
    const before = tell(reader, [...handshake(open), up({ seq: 103, data: 'c' })], { ended: false })
    const between = [...reader.push({ kind: 'section', offset: 0, application: undefined, comments: [] })]
    expect(before).toEqual([OPENED])
    expect(between).toMatchObject([
      { kind: 'gap', length: 2 },
      { kind: 'data', at: 2 },
    ])
    expect(tell(reader, [...handshake(open)])).toEqual(['2 open unix: > db.internal:5432 on web'])
  })

  it('whose close alone is in the file is still listed', () => {
    expect(events(up({ flags: 'RA', seq: 1 }, close({ seen: 9 })))).toEqual([
      `${OPEN} midway`,
      '1 close reset client_fin',
    ])
  })
})

describe('the same two ends', () => {
  it('begin a new connection with a new initial sequence number, even if the old one never ended', () => {
    expect(
      events(
        ...handshake(),
        up({ seq: 101, data: 'a' }),
        up({ flags: 'S', seq: 9000 }),
        up({ seq: 9001, data: 'b' }),
      ),
    ).toEqual([OPEN, '1 upstream 0: a', `2${OPEN.slice(1)}`, '2 upstream 0: b'])
  })

  it('do not with a SYN that is only sent again', () => {
    expect(events(...handshake(), up({ flags: 'S', seq: 100 }), up({ seq: 101, data: 'a' }))).toEqual([
      OPEN,
      '1 upstream 0: a',
    ])
  })

  it('have their data in the SYN given out as well', () => {
    expect(events(up({ flags: 'S', seq: 100, data: 'hi' }), up({ seq: 103, data: '!' }))).toEqual([
      OPEN,
      '1 upstream 0: hi',
      '1 upstream 2: !',
    ])
  })
})

it('the name of the interface stands for the listener where nothing else does', () => {
  const reader = createPacketConversations()
  const named = {
    kind: 'interface',
    offset: 0,
    index: 0,
    linkType: 101,
    name: 'eth0',
    description: undefined,
  } as const
  expect([...reader.push(named)]).toEqual([])
  expect(tell(reader, handshake())).toEqual([`${OPEN} on eth0`])
})

it('connections beyond 65,536 push out the least recently active one, whose next packet opens it anew', () => {
  const reader = createPacketConversations()
  const from = (index: number) => [[10, 1, index >> 8, index & 255], 1024] as const
  const first = packet({ from: from(0), flags: 'S', seq: 0 })
  tell(reader, [first], { ended: false })
  tell(reader, [packet({ from: from(0), seq: 3, data: 'late' })], { ended: false })
  const lines: string[] = []
  for (let index = 1; index <= 65_535; index += 1)
    lines.push(...tell(reader, [packet({ from: from(index), flags: 'S', seq: 0 })], { ended: false }))
  expect(lines).toHaveLength(65_535)
  const pushed = tell(reader, [packet({ from: [[10, 9, 9, 9], 1], flags: 'S', seq: 0 })], { ended: false })
  expect(pushed).toEqual([
    '1 upstream 0: gap of 2',
    '1 upstream 2: late',
    '65537 open 10.9.9.9:1 > 10.0.0.2:80',
  ])
  expect(tell(reader, [packet({ from: from(0), seq: 7, data: 'x' })], { ended: false })).toEqual([
    '65538 open 10.1.0.0:1024 > 10.0.0.2:80 midway',
    '65538 upstream 0: x',
  ])
})
