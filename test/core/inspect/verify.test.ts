import { describe, expect, it } from 'vitest'
import type { CaptureRecord } from '../../../src/core/codec/capture.js'
import type { ConversationEvent } from '../../../src/core/conversation.js'
import { createVerifier, type Finding } from '../../../src/core/inspect/verify.js'
import { closed, entry, gap, ledger, opened, sent } from './events.js'

const verify = (events: readonly ConversationEvent[], expectEnds = true) => {
  const verifier = createVerifier(expectEnds)
  const findings: Finding[] = events.flatMap((event) => [...verifier.push(event)])
  findings.push(...verifier.end())
  return { findings, totals: verifier.totals }
}

const WHO = { connection: 1, client: '10.0.0.1:1001', server: '10.0.0.2:80' }

describe('verifying a recording', () => {
  it('finds nothing where everything is there', () => {
    const { findings, totals } = verify([
      opened(1),
      sent(1, 'upstream', 'hello'),
      closed(1, ledger(entry(5), entry(0))),
    ])
    expect(findings).toEqual([])
    expect(totals).toMatchObject({ holes: 0, mismatches: 0, unfinished: 0, withLedger: 1 })
  })

  it('lists each hole with its place and why', () => {
    const { findings, totals } = verify([
      opened(1),
      gap(1, 'upstream', 0, 4, 'overload: dropped'),
      sent(1, 'upstream', 'hello', { at: 4 }),
      gap(1, 'upstream', 9, 1),
    ])
    expect(findings).toEqual([
      { kind: 'hole', ...WHO, direction: 'upstream', at: 0, length: 4, why: 'overload: dropped' },
      { kind: 'hole', ...WHO, direction: 'upstream', at: 9, length: 1, why: null },
      { kind: 'unfinished', ...WHO },
    ])
    expect(totals).toMatchObject({ holes: 2, unfinished: 1, withLedger: 0 })
  })

  it('tells why of a hole whose packets did not know yet, by the ledger', () => {
    const lost = [{ at: 0, length: 14, why: 'write failed: ENOSPC' }]
    const { findings, totals } = verify([
      opened(1),
      gap(1, 'upstream', 0, 4),
      gap(1, 'upstream', 4, 10),
      gap(1, 'downstream', 0, 1),
      closed(1, ledger(entry(0, lost), entry(1))),
    ])
    const hole = { kind: 'hole', ...WHO, direction: 'upstream', why: 'write failed: ENOSPC' }
    expect(findings.slice(0, 3)).toEqual([
      { ...hole, at: 0, length: 4 },
      { ...hole, at: 4, length: 10 },
      { ...hole, direction: 'downstream', at: 0, length: 1, why: null },
    ])
    expect(totals.holes).toBe(3)
  })

  it('lists a hole once when the packets and the ledger both tell of it', () => {
    const lost = [{ at: 0, length: 4, why: 'overload: dropped' }]
    const { findings } = verify([
      opened(1),
      gap(1, 'downstream', 0, 4, 'overload: dropped'),
      closed(1, ledger(entry(0), entry(0, lost))),
    ])
    expect(findings.map(({ kind }) => kind)).toEqual(['hole'])
  })

  it('tells of a ledger that disagrees, and of holes only it knows', () => {
    const lost = [{ at: 0, length: 4, why: 'write failed: EIO' }]
    const { findings, totals } = verify([opened(1), closed(1, ledger(entry(3), entry(0, lost)))])
    expect(findings).toEqual([
      { kind: 'hole', ...WHO, direction: 'downstream', at: 0, length: 4, why: 'write failed: EIO' },
      {
        kind: 'mismatch',
        ...WHO,
        direction: 'upstream',
        message: 'the ledger has 3 bytes stored, the file has 0',
      },
    ])
    expect(totals).toMatchObject({ holes: 1, mismatches: 1 })
  })

  it('counts the packets that are corrupt', () => {
    const verifier = createVerifier(true)
    const packet: CaptureRecord = {
      kind: 'packet',
      offset: 96,
      timeNs: 0n,
      interfaceIndex: 0,
      linkType: 101,
      data: new Uint8Array(40),
      originalLength: 40,
      comments: [],
    }
    const section: CaptureRecord = { kind: 'section', offset: 0, application: 'tidegate 0.1.0', comments: [] }
    expect([...verifier.inspect(packet), ...verifier.inspect(section)]).toEqual([])
    expect([...verifier.inspect(packet)]).toMatchObject([{ kind: 'corrupt', offset: 96 }])
    expect(verifier.totals).toMatchObject({ corrupt: 1, holes: 0, mismatches: 0 })
  })

  it('calls nothing unfinished in a format without ends', () => {
    expect(verify([opened(1), sent(1, 'upstream', 'x')], false).findings).toEqual([])
  })
})
