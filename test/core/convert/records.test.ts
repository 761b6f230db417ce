import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createPcapngReader } from '../../../src/core/codec/pcapng/reader.js'
import type { ConversationEvent } from '../../../src/core/conversation.js'
import { RecordEncoder } from '../../../src/core/convert/records.js'
import type { Direction } from '../../../src/core/direction.js'
import { createVerifier } from '../../../src/core/inspect/verify.js'
import { createPacketConversations } from '../../../src/core/reassembly/packets.js'
import type { SinkRecord } from '../../../src/core/record/delivery/sink-record.js'
import { SinkRecords } from '../../../src/core/record/delivery/sink-records.js'
import { bytesOf, START_NS, talk } from '../../support/records.js'
import { concat, readAll } from '../codec/builders.js'

const RECORDING = '01234567-89ab-cdef-0123-456789abcdef'
const OTHER = '01234567-89ab-cdef-0123-456789abcde0'

const encode = (records: Iterable<SinkRecord>): Uint8Array => {
  const encoder = new RecordEncoder('tidegate test')
  const parts: Uint8Array[] = []
  for (const record of records) for (const piece of encoder.push(record)) parts.push(piece.slice())
  for (const piece of encoder.end()) parts.push(piece.slice())
  return concat(...parts)
}

function* eventsOf(file: Uint8Array): Generator<ConversationEvent> {
  const conversations = createPacketConversations()
  for (const record of readAll(createPcapngReader(), file)) {
    if (record.kind === 'damage') throw new Error(record.message)
    yield* conversations.push(record)
  }
  yield* conversations.end()
}

const readBack = (file: Uint8Array): readonly SinkRecord[] => {
  const records = new SinkRecords()
  return [...eventsOf(file)].flatMap((event) => records.push(event))
}

/** What `verify` finds, one word each. */
const findings = (file: Uint8Array): readonly string[] => {
  const verifier = createVerifier(true)
  const conversations = createPacketConversations()
  const found: string[] = []
  for (const record of readAll(createPcapngReader(), file)) {
    for (const finding of verifier.inspect(record)) found.push(finding.kind)
    if (record.kind !== 'damage')
      for (const event of conversations.push(record))
        for (const finding of verifier.push(event)) found.push(finding.kind)
  }
  for (const event of conversations.end())
    for (const finding of verifier.push(event)) found.push(finding.kind)
  for (const finding of verifier.end()) found.push(finding.kind)
  return found
}

const said = [
  ['upstream', bytesOf('hello')],
  ['downstream', bytesOf('welcome')],
  ['upstream', bytesOf('bye')],
] as const

describe('records as pcapng', () => {
  it('are the same records when they are read back, nanoseconds, numbers and ledgers included', () => {
    const records = [
      ...talk({ recording: RECORDING, connection: 7, said }),
      ...talk({
        recording: RECORDING,
        connection: 8,
        client: 'unix:',
        server: 'unix:/run/db.sock',
        listener: 'b',
        said,
      }),
      ...talk({ recording: RECORDING, connection: 9, client: '[2001:db8::7]:1', server: '10.0.0.1:2', said }),
      ...talk({ recording: OTHER, connection: 7, client: 'unix:\u2400abstract', said }),
      ...talk({ recording: OTHER, connection: 10 }),
    ]
    const file = encode(records)
    expect(readBack(file)).toEqual(records)
    expect(findings(file)).toEqual([])
  })

  it('are read back whatever was said in which order', () => {
    const turn = fc.tuple(
      fc.constantFrom<Direction>('upstream', 'downstream'),
      fc.uint8Array({ minLength: 1, maxLength: 3000 }),
    )
    fc.assert(
      fc.property(
        fc.array(turn, { maxLength: 40 }),
        fc.integer({ min: 0, max: 2 ** 40 }),
        (turns, connection) => {
          const records = talk({ recording: RECORDING, connection, said: turns })
          expect(readBack(encode(records))).toEqual(records)
        },
      ),
      { numRuns: 30 },
    )
  })

  it('may be longer than a packet, and than all that is kept at a time', () => {
    const long = Uint8Array.from({ length: 3_000_001 }, (_, index) => (index * 31) ^ (index >> 8))
    const file = encode(talk({ recording: RECORDING, said: [['downstream', long]] }))
    const bytes = readBack(file).flatMap((record) => (record.kind === 'data' ? [record.bytes] : []))
    expect(Buffer.from(concat(...bytes)).equals(Buffer.from(long))).toBe(true)
    expect(findings(file)).toEqual([])
  })

  it('say of a loss what the gateway said, and nothing more', () => {
    const key = { recording: RECORDING, connection: 3 }
    const up = { ...key, direction: 'upstream' } as const
    const down = { ...key, direction: 'downstream' } as const
    const lost = { at: 5, length: 2 ** 33, why: 'overload: dropped' }
    const tail = { at: 2, length: 10, why: 'write failed: ENOSPC' }
    const records: readonly SinkRecord[] = [
      { kind: 'open', ...key, timeNs: START_NS, listener: 'a', client: '10.0.0.1:1', server: '10.0.0.2:2' },
      { kind: 'data', ...up, at: 0, timeNs: START_NS + 1n, bytes: bytesOf('hello') },
      { kind: 'data', ...down, at: 0, timeNs: START_NS + 2n, bytes: bytesOf('ok') },
      { kind: 'gap', ...up, ...lost, timeNs: START_NS + 3n, cut: false },
      { kind: 'data', ...up, at: 5 + 2 ** 33, timeNs: START_NS + 3n, bytes: bytesOf('again') },
      { kind: 'gap', ...down, ...tail, timeNs: START_NS + 4n, cut: false },
      {
        kind: 'close',
        ...key,
        timeNs: START_NS + 9n,
        reason: 'client_reset',
        upstream: { seen: 10 + 2 ** 33, stored: 10, lost: [lost] },
        downstream: { seen: 12, stored: 2, lost: [tail] },
      },
    ]
    const file = encode(records)
    expect(readBack(file)).toEqual(records)
    expect(findings(file)).toEqual(['hole', 'hole'])
  })

  it.each([
    ['the first', 1],
    ['one between', 5],
    ['the last before the FIN', 9],
  ])('show a hole where %s of the frames is missing', (_, index) => {
    const frames = Array.from({ length: 9 }, (_, n) => ['upstream', bytesOf(`frame ${n};`)] as const)
    const records = talk({ recording: RECORDING, said: frames })
    expect(records[index]?.kind).toBe('data')
    expect(findings(encode(records.filter((_, n) => n !== index)))).toContain('hole')
  })

  it('show a hole where the FIN is missing as well as the frame before it', () => {
    const records = talk({ recording: RECORDING, said }).filter(
      (record) => record.kind !== 'fin' && !('bytes' in record && record.at > 0),
    )
    expect(findings(encode(records))).toContain('hole')
  })

  it('leave a connection open that has no end', () => {
    const records = talk({ recording: RECORDING, said }).slice(0, 4)
    expect(
      readBack(encode([...records, ...talk({ recording: RECORDING, connection: 2, said })])).slice(0, 4),
    ).toEqual(records)
    expect(findings(encode(records))).toEqual(['unfinished'])
  })
})
