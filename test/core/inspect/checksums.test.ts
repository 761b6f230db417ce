import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CaptureRecord, PacketRecord } from '../../../src/core/codec/capture.js'
import { createPcapReader } from '../../../src/core/codec/pcap/reader.js'
import { createPcapngReader } from '../../../src/core/codec/pcapng/reader.js'
import { type CorruptFinding, createCorruptionFinder } from '../../../src/core/inspect/checksums.js'
import { asPcap, HOLED, PING_PONG, recorded } from '../../cli/recordings.js'
import { readAll } from '../codec/builders.js'

const findingsIn = (records: readonly CaptureRecord[]): readonly CorruptFinding[] => {
  const corruptionOf = createCorruptionFinder()
  return records.map(corruptionOf).filter((finding) => finding !== null)
}

const recordsOf = (file: Uint8Array): readonly CaptureRecord[] => readAll(createPcapngReader(), file)

const SECTION = { kind: 'section', offset: 0, comments: [] } as const
const OURS: CaptureRecord = { ...SECTION, application: 'tidegate 0.1.0' }
const FOREIGN: readonly CaptureRecord[] = [
  { ...SECTION, application: undefined },
  { ...SECTION, application: 'Dumpcap (Wireshark) 4.4.0' },
  { ...SECTION, application: 'tidegateish' },
]

const OVER_IPV6 = recorded((tape) => {
  const one = tape.connect(1, '[2001:db8::7]:40000', '[::1]:6379')
  tape.say(one, 'upstream', 'PING\r\n')
  tape.say(one, 'downstream', '+PONG\r\n!')
  tape.hangUp(one)
})

const packetsOf = (file: Uint8Array): readonly PacketRecord[] =>
  recordsOf(file).filter((record) => record.kind === 'packet')

const changed = (packet: PacketRecord, change: (data: Uint8Array) => void): PacketRecord => {
  const data = packet.data.slice()
  change(data)
  return { ...packet, data }
}

/** The packet that carries `PING\r\n`. */
const PING = packetsOf(PING_PONG)[3] as PacketRecord
const PING_IPV6 = packetsOf(OVER_IPV6)[3] as PacketRecord

const messageAbout = (packet: PacketRecord): string | undefined => findingsIn([OURS, packet])[0]?.message

describe('the corruption finder', () => {
  it.each([
    ['over IPv4', PING_PONG],
    ['with holes', HOLED],
    ['over IPv6', OVER_IPV6],
  ])('finds nothing in a recording %s', (_, file) => {
    expect(packetsOf(file).length).toBeGreaterThan(5)
    expect(findingsIn(recordsOf(file))).toEqual([])
  })

  it('finds nothing in any payload, wherever its packet lies in memory', () => {
    const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { minLength: 1, maxLength: 5 })
    const client = fc.constantFrom('127.0.0.1:5000', '[::1]:5000')
    fc.assert(
      fc.property(chunks, client, fc.integer({ min: 0, max: 7 }), (payloads, from, shift) => {
        const file = recorded((tape) => {
          const one = tape.connect(1, from)
          for (const payload of payloads) tape.say(one, 'upstream', payload)
          tape.hangUp(one)
        })
        // Bytes of ones around it, so that a sum that goes too far shows.
        const memory = new Uint8Array(shift + file.length + 9).fill(0xff)
        memory.set(file, shift)
        const reader = createPcapngReader()
        const corruptionOf = createCorruptionFinder()
        for (const record of reader.push(memory.subarray(shift, shift + file.length)))
          expect(corruptionOf(record)).toBeNull()
      }),
    )
  })

  it.each([
    ['IPv4', PING_PONG],
    ['IPv6', OVER_IPV6],
  ])('finds each single bit that is flipped in a packet over %s', (_, file) => {
    let flips = 0
    for (const packet of packetsOf(file))
      for (let bit = 0; bit < packet.data.length * 8; bit++) {
        const flipped = changed(packet, (data) => {
          data[bit >> 3] = (data[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        })
        const found = findingsIn([OURS, flipped])
        if (found[0]?.offset !== packet.offset || found.length !== 1)
          throw new Error(`bit ${bit} of the packet at ${packet.offset} is not found`)
        flips++
      }
    expect(flips).toBeGreaterThan(2000)
  })

  it('names the packet by its place and its ends', () => {
    const evil = changed(PING, (data) => data.set([0x45, 0x56, 0x49, 0x4c], 40))
    expect(findingsIn([OURS, evil])).toEqual([
      {
        kind: 'corrupt',
        offset: PING.offset,
        source: '127.0.0.1:40001',
        destination: '10.0.0.1:6379',
        message: 'its checksum does not match its bytes',
      },
    ])
    const evilIpv6 = changed(PING_IPV6, (data) => data.set([0], 60))
    expect(findingsIn([OURS, evilIpv6])).toMatchObject([
      { source: '[2001:db8::7]:40000', destination: '[::1]:6379' },
    ])
  })

  it('says what is wrong with a header', () => {
    expect(messageAbout(changed(PING, (data) => data.set([10], 12)))).toBe(
      'its IP checksum does not match its bytes',
    )
    expect(messageAbout(changed(PING, (data) => data.set([47], 3)))).toBe(
      'its IP header claims 47 bytes, the file has 46',
    )
    expect(messageAbout({ ...PING, data: PING.data.subarray(0, 45), originalLength: 45 })).toBe(
      'its IP header claims 46 bytes, the file has 45',
    )
    expect(messageAbout({ ...PING, originalLength: 60 })).toBe('it has 46 of 60 bytes, expected all of them')
    expect(messageAbout({ ...PING, linkType: 1 })).toBe('it has link type 1, expected 101')
    // The flow label, which no checksum covers.
    expect(messageAbout(changed(PING_IPV6, (data) => data.set([1], 3)))).toMatch(/not one that Tidegate/)
  })

  it.each([
    ['nothing', []],
    ['a byte', [0x45]],
    ['no IP', [0, 0, 0, 0]],
    ['only an IPv4 header', [...PING.data.subarray(0, 20)]],
    ['only an IPv6 header', [...PING_IPV6.data.subarray(0, 40)]],
  ])('calls a packet of %s corrupt, without ends', (_, bytes) => {
    const packet = { ...PING, data: Uint8Array.from(bytes), originalLength: bytes.length }
    expect(findingsIn([OURS, packet])).toMatchObject([{ source: null, destination: null }])
  })

  it('calls a note that cannot be read corrupt, but no comment of somebody else', () => {
    const good = packetsOf(PING_PONG)[0] as PacketRecord
    const [note] = good.comments
    expect(note).toMatch(/^tidegate open \{/)
    const commented = (...comments: readonly string[]) => messageAbout({ ...good, comments })
    expect(commented(note ?? '', 'look at this', 'tidegate?')).toBeUndefined()
    expect(commented('look at this', (note ?? '').replace('"id"', '"iD"'))).toBe('its note cannot be read')
    expect(commented((note ?? '').replace('open', 'opeo'))).toBe('its note cannot be read')
  })

  it('makes one finding of a packet with several faults', () => {
    const packet = { ...changed(PING, (data) => data.set([0], 40)), comments: ['tidegate {', 'tidegate }'] }
    expect(findingsIn([OURS, packet]).map(({ message }) => message)).toEqual([
      'its checksum does not match its bytes; its note cannot be read',
    ])
  })

  it('looks only at sections that Tidegate wrote', () => {
    const evil = { ...changed(PING, (data) => data.set([0], 40)), comments: ['tidegate {'] }
    for (const section of FOREIGN) {
      expect(findingsIn([section, evil])).toEqual([])
      expect(findingsIn([OURS, evil, section, evil, OURS, evil])).toHaveLength(2)
    }
  })

  it('looks at no classic pcap, whose writer is not known', () => {
    const pcap = asPcap(PING_PONG).slice()
    pcap.set([0xff], pcap.length - 30)
    expect(findingsIn(readAll(createPcapReader(), pcap))).toEqual([])
  })
})
