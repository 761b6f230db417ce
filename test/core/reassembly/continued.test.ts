import { describe, expect, it } from 'vitest'
import type { CaptureRecord, PacketRecord } from '../../../src/core/codec/capture.js'
import { createVerifier, type Finding } from '../../../src/core/inspect/verify.js'
import { createPacketConversations } from '../../../src/core/reassembly/packets.js'
import { encodeAnnotation } from '../../../src/core/record/annotation.js'
import { down, handshake, tell, up } from './builders.js'
import { continueOf, openOf, SERIES, sectionOf } from './series.js'

const read = (...records: readonly CaptureRecord[]): string[] =>
  tell(createPacketConversations(), records as readonly PacketRecord[])

const filesOf = (...numbers: readonly number[]): CaptureRecord[] =>
  numbers.flatMap((one) => SERIES[one - 1] ?? [])

const verify = (records: readonly CaptureRecord[]): readonly Finding[] => {
  const reader = createPacketConversations()
  const verifier = createVerifier(true)
  const events = [...records.flatMap((record) => [...reader.push(record)]), ...reader.end()]
  return [...events.flatMap((event) => [...verifier.push(event)]), ...verifier.end()]
}

const OPEN = '1 open 10.0.0.1:40000 > 10.0.0.2:80'

describe('a connection in three files', () => {
  it('is one where all are read', () => {
    expect(read(...filesOf(1, 2, 3))).toEqual([
      `${OPEN} on web`,
      '1 upstream 0: one ',
      '1 downstream 0: ab',
      '1 continues at 4/2',
      '1 upstream 4: two ',
      '1 downstream 2: cd',
      '1 continues at 8/4',
      '1 upstream 8: six.',
      '1 downstream 4: ef',
      '1 upstream fin',
      '1 downstream fin',
      '1 close fin client_fin',
    ])
    expect(verify(filesOf(1, 2, 3))).toEqual([])
  })

  it('is one where the first ends between its SYN and the answer to it, with that file or without', () => {
    const [syn, ...answered] = handshake(openOf())
    const first = [sectionOf(), syn!, up({ seq: 101, ack: 501 }, continueOf(0, 0))]
    const second = [
      sectionOf(),
      up({ seq: 101, ack: 501 }, openOf({ upstream: 0, downstream: 0 })),
      ...answered,
      up({ seq: 101, ack: 501, data: 'one ' }),
    ]
    expect(read(...first, ...second)).toEqual([`${OPEN} on web`, '1 continues at 0/0', '1 upstream 0: one '])
    expect(read(...second)).toEqual([`${OPEN} midway at 0/0 on web`, '1 upstream 0: one '])
  })

  it('has its positions where a later one is read alone, and nothing is wrong with it', () => {
    expect(read(...filesOf(2))).toEqual([
      `${OPEN} midway at 4/2 on web`,
      '1 upstream 4: two ',
      '1 downstream 2: cd',
      '1 continues at 8/4',
    ])
    for (const some of [[1], [2], [3], [1, 2], [2, 3]]) expect(verify(filesOf(...some))).toEqual([])
  })

  it('has a hole where the middle one is missing, which the ledger is not held against', () => {
    expect(read(...filesOf(1, 3)).slice(3, 7)).toEqual([
      '1 continues at 4/2',
      '1 upstream 4: gap of 4 (in a file that is not among these)',
      '1 downstream 2: gap of 2 (in a file that is not among these)',
      '1 upstream 8: six.',
    ])
    expect(verify(filesOf(1, 3))).toMatchObject([
      { kind: 'hole', direction: 'upstream', at: 4, length: 4, why: 'in a file that is not among these' },
      { kind: 'hole', direction: 'downstream', at: 2, length: 2 },
    ])
  })

  it('is held against its ledger: a byte that is missing in the last one is told', () => {
    const last = filesOf(3)
    last.splice(3, 1)
    expect(verify(last)).toMatchObject([{ kind: 'hole', direction: 'downstream', at: 4, length: 2 }, {}])
  })

  it('whose direction ended in an earlier file ends once', () => {
    const ended = [
      ...filesOf(1).slice(0, -1),
      up({ flags: 'FA', seq: 105, ack: 503 }),
      sectionOf(),
      up({ seq: 105, ack: 503 }, openOf({ upstream: 4, downstream: 2 })),
      up({ flags: 'FA', seq: 105, ack: 503 }),
      down({ seq: 503, ack: 106, data: 'cd' }),
    ]
    const told = read(...ended)
    expect(told.filter((line) => line.endsWith('upstream fin'))).toHaveLength(1)
    expect(told.at(-1)).toBe('1 downstream 2: cd')
  })

  it('keeps its positions where more than 4 GiB lie in the missing file', () => {
    const far = 5 * 2 ** 30
    const later = [
      sectionOf(),
      up({ seq: 101 + far, ack: 503 }, openOf({ upstream: far, downstream: 2 })),
      up({ seq: 101 + far, ack: 503, data: 'far' }),
    ]
    expect(read(...filesOf(1), ...later).at(-1)).toBe(`1 upstream ${far}: far`)
    expect(read(...later).at(-1)).toBe(`1 upstream ${far}: far`)
  })
})

/** Told with the packets after it: the loss was not known yet when the first of them were written. */
describe('a hole that only a later file explains', () => {
  const why = 'write failed: ENOSPC'
  const lost = encodeAnnotation({ kind: 'gap', direction: 'upstream', at: 4, length: 4, why })
  const continued = (upstream: number) =>
    encodeAnnotation({ kind: 'continue', id: 7, upstream, downstream: 0 })
  /** `one `, four bytes lost, `six.` */
  const first: readonly CaptureRecord[] = [
    sectionOf(),
    ...handshake(openOf()),
    up({ seq: 101, ack: 501, data: 'one ' }),
    up({ seq: 109, ack: 501, data: 'six.' }),
  ]
  const handOver = up({ seq: 113, ack: 501 }, continued(12))
  /** `end`, from this position. */
  const later = (at: number, ...comments: readonly string[]): readonly CaptureRecord[] => [
    sectionOf(),
    up({ seq: 101 + at, ack: 501 }, openOf({ upstream: at, downstream: 0 })),
    up({ seq: 101 + at, ack: 501, data: 'end' }, ...comments),
  ]

  it('has the reason that this one gives', () => {
    expect(read(...first, handOver, ...later(12, lost))).toEqual([
      `${OPEN} on web`,
      '1 upstream 0: one ',
      '1 continues at 12/0',
      `1 upstream 4: gap of 4 (${why})`,
      '1 upstream 8: six.',
      '1 upstream 12: end',
    ])
  })

  it('has it also where the first file was torn before it said that it goes on', () => {
    expect(read(...first, ...later(12, lost)).slice(2)).toEqual([
      `1 upstream 4: gap of 4 (${why})`,
      '1 upstream 8: six.',
      '1 upstream 12: end',
    ])
  })

  it('has the reason that the close gives, also behind a FIN that the other side has acknowledged', () => {
    const lost = [{ at: 0, length: 8, why: 'write failed: ENOSPC' }]
    const close = encodeAnnotation({
      ...{ kind: 'close', id: 7, reason: 'client_fin' },
      upstream: { seen: 0, stored: 0, lost: [] },
      downstream: { seen: 8, stored: 0, lost },
    })
    const records = [
      sectionOf(),
      ...handshake(openOf()),
      down({ flags: 'FA', seq: 509, ack: 101 }),
      up({ flags: 'FA', seq: 101, ack: 510 }),
      up({ seq: 102, ack: 510 }, close),
    ]
    expect(read(...records)).toContain('1 downstream 0: gap of 8 (write failed: ENOSPC)')
    expect(verify(records)).toMatchObject([{ kind: 'hole', at: 0, length: 8, why: 'write failed: ENOSPC' }])
  })

  it('is told apart from what a missing file has', () => {
    expect(read(...first, handOver, ...later(20, lost)).slice(3)).toEqual([
      `1 upstream 4: gap of 4 (${why})`,
      '1 upstream 8: six.',
      '1 upstream 12: gap of 8 (in a file that is not among these)',
      '1 upstream 20: end',
    ])
    const far = 5 * 2 ** 30
    expect(read(...first, handOver, ...later(far)).slice(3)).toEqual([
      '1 upstream 4: gap of 4',
      '1 upstream 8: six.',
      `1 upstream 12: gap of ${far - 12} (in a file that is not among these)`,
      `1 upstream ${far}: end`,
    ])
  })

  it('has none where nothing explains it, and the connection goes on all the same', () => {
    expect(read(...first, handOver).slice(2)).toEqual([
      '1 upstream 4: gap of 4',
      '1 upstream 8: six.',
      '1 continues at 12/0',
    ])
    expect(verify([...first, handOver])).toMatchObject([{ kind: 'hole', at: 4, length: 4, why: null }])
  })
})

describe('sections', () => {
  it('of another run of a gateway begin other connections, also with the same number and ends', () => {
    const told = read(...filesOf(1), sectionOf('another run'), ...handshake(openOf()))
    expect(told.at(-1)).toBe('2 open 10.0.0.1:40000 > 10.0.0.2:80 on web')
    expect(read(...filesOf(1), sectionOf('another run'), up({ seq: 9, data: 'x' })).slice(-2)).toEqual([
      '2 open 10.0.0.1:40000 > 10.0.0.2:80 midway',
      '2 upstream 0: x',
    ])
  })

  it('of two runs in turn disturb neither', () => {
    const told = read(...filesOf(1), sectionOf('another run'), ...filesOf(2, 3))
    expect(told.at(-1)).toBe('1 close fin client_fin')
  })
})

describe('bytes left out on purpose', () => {
  const cut = encodeAnnotation({
    kind: 'gap',
    direction: 'upstream',
    at: 2,
    length: 3,
    why: 'maxBytes',
    cut: true,
  })
  const close = (cutUp: number) =>
    encodeAnnotation({
      kind: 'close',
      id: 7,
      reason: 'client_fin',
      upstream: { seen: 2 + cutUp, stored: 2, lost: [], cut: [{ at: 2, length: cutUp, why: 'maxBytes' }] },
      downstream: { seen: 9, stored: 0, lost: [], cut: [{ at: 0, length: 9, why: 'maxBytes' }] },
    })
  const recorded = (last: string): CaptureRecord[] => [
    sectionOf(),
    ...handshake(openOf()),
    up({ seq: 101, ack: 501, data: 'ab' }),
    up({ flags: 'FA', seq: 106, ack: 501 }, cut),
    down({ flags: 'RA', seq: 510, ack: 107 }, last),
  ]

  it('are told as cut, by the packets or by the ledger', () => {
    expect(read(...recorded(close(3)))).toEqual([
      `${OPEN} on web`,
      '1 upstream 0: ab',
      '1 upstream 2: cut of 3 (maxBytes)',
      '1 upstream fin',
      '1 downstream 0: cut of 9 (maxBytes)',
      '1 close reset client_fin',
    ])
  })

  it('are no holes; a ledger that says otherwise is a mismatch', () => {
    expect(verify(recorded(close(3)))).toEqual([])
    expect(verify(recorded(close(4)))).toMatchObject([
      { kind: 'mismatch', message: 'the ledger has 4 bytes cut, the file says 3' },
    ])
  })
})
