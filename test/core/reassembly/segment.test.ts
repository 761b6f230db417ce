import { describe, expect, it } from 'vitest'
import type { PacketRecord } from '../../../src/core/codec/capture.js'
import { LINK_TYPE } from '../../../src/core/codec/link-types.js'
import { createPacketConversations } from '../../../src/core/reassembly/packets.js'
import { bytes, concat } from '../codec/builders.js'
import { ip, packetOf, tell } from './builders.js'

const v4 = ip({ flags: 'S', seq: 1, data: 'hi' })
const A = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] as const
const B = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4] as const
const v6 = ip({ from: [A, 40_000], to: [B, 80], flags: 'S', seq: 1, data: 'hi' })
const macs = new Uint8Array(12)

const TOLD_4 = ['1 open 10.0.0.1:40000 > 10.0.0.2:80', '1 upstream 0: hi']
const TOLD_6 = ['1 open [2001:db8::1]:40000 > [::ffff:1.2.3.4]:80', '1 upstream 0: hi']

const read = (linkType: number, data: Uint8Array, change: Partial<PacketRecord> = {}) => {
  const reader = createPacketConversations()
  const told = tell(reader, [packetOf(data, { linkType, ...change })])
  return { told, ignored: reader.ignored }
}

describe('a TCP segment is found', () => {
  it.each([
    ['raw IPv4', LINK_TYPE.raw, v4, TOLD_4],
    ['raw IPv6', LINK_TYPE.raw, v6, TOLD_6],
    ['raw, as BSD numbers it', 12, v4, TOLD_4],
    ['raw, as OpenBSD numbers it', 14, v6, TOLD_6],
    ['IPv4 only', LINK_TYPE.ipv4, v4, TOLD_4],
    ['IPv6 only', LINK_TYPE.ipv6, v6, TOLD_6],
    ['Ethernet', LINK_TYPE.ethernet, concat(macs, bytes(8, 0), v4), TOLD_4],
    [
      'Ethernet with padding behind',
      LINK_TYPE.ethernet,
      concat(macs, bytes(8, 0), v4, new Uint8Array(9)),
      TOLD_4,
    ],
    ['a VLAN', LINK_TYPE.ethernet, concat(macs, bytes(0x81, 0, 0, 5, 0x86, 0xdd), v6), TOLD_6],
    ['two VLANs', LINK_TYPE.ethernet, concat(macs, bytes(0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0), v4), TOLD_4],
    ['BSD loopback', LINK_TYPE.null, concat(bytes(2, 0, 0, 0), v4), TOLD_4],
    ['OpenBSD loopback', LINK_TYPE.loop, concat(bytes(0, 0, 0, 24), v6), TOLD_6],
    ['Linux cooked', LINK_TYPE.linuxSll, concat(new Uint8Array(14), bytes(8, 0), v4), TOLD_4],
    ['Linux cooked 2', LINK_TYPE.linuxSll2, concat(bytes(0x86, 0xdd), new Uint8Array(18), v6), TOLD_6],
  ])('in %s', (_, linkType, data, told) => {
    expect(read(linkType, data)).toEqual({ told, ignored: 0 })
  })

  it('behind IPv4 options', () => {
    expect(read(101, ip({ flags: 'S', seq: 1, data: 'hi' }, bytes(1, 1, 1, 1))).told).toEqual(TOLD_4)
  })

  it('behind IPv6 extension headers', () => {
    const chain = concat(
      bytes(43, 1, ...new Array(14).fill(0)),
      bytes(60, 0, 0, 0, 0, 0, 0, 0),
      bytes(44, 0, 0, 0, 0, 0, 0, 0),
      bytes(6, 0, 0, 0, 0, 0, 0, 9),
    )
    const data = concat(v6.subarray(0, 40), chain, v6.subarray(40))
    data[6] = 0
    data[5] = v6.length - 40 + chain.length
    expect(read(101, data)).toEqual({ told: TOLD_6, ignored: 0 })
  })

  it('where the network card has left IPs length 0', () => {
    for (const [packet, at, told] of [
      [v4, 2, TOLD_4],
      [v6, 4, TOLD_6],
    ] as const) {
      const data = new Uint8Array(packet)
      data.set([0, 0], at)
      expect(read(101, data).told).toEqual(told)
    }
  })
})

describe('a packet is ignored, and counted,', () => {
  const changed = (at: number, value: number, packet = v4): Uint8Array => {
    const data = new Uint8Array(packet)
    data[at] = value
    return data
  }
  it.each([
    ['that is not IP', LINK_TYPE.raw, changed(0, 0x15)],
    ['that is not TCP', LINK_TYPE.raw, changed(9, 17)],
    ['that is not TCP over IPv6', LINK_TYPE.raw, changed(6, 58, v6)],
    ['of the other IP version', LINK_TYPE.ipv4, v6],
    ['that is ARP', LINK_TYPE.ethernet, concat(macs, bytes(8, 6), v4)],
    ['of a link type not known', 147, v4],
    ['that is a first fragment', LINK_TYPE.raw, ip({ seq: 1 }, undefined, 0x2000)],
    ['that is a later fragment', LINK_TYPE.raw, ip({ seq: 1 }, undefined, 0x0010)],
    ['with an IP header too short', LINK_TYPE.raw, changed(0, 0x44)],
    ['with a TCP header too short', LINK_TYPE.raw, changed(32, 0x40)],
    ['with a TCP header beyond its end', LINK_TYPE.raw, changed(32, 0xf0)],
    ['cut within its headers', LINK_TYPE.raw, v4.subarray(0, 39)],
    ['that is empty', LINK_TYPE.raw, new Uint8Array(0)],
    ['of nothing but VLAN tags', LINK_TYPE.ethernet, concat(macs, new Uint8Array(400).fill(0x81))],
  ])('%s', (_, linkType, data) => {
    expect(read(linkType, data)).toEqual({ told: [], ignored: 1 })
  })
})

it('IPv6 addresses are written as RFC 5952 says', () => {
  const from = (...words: readonly number[]) => [words.flatMap((word) => [word >> 8, word & 255]), 9] as const
  const clientOf = (...words: readonly number[]) =>
    tell(createPacketConversations(), [
      packetOf(ip({ from: from(...words), to: [B, 80], flags: 'S', seq: 1 })),
    ])[0]?.split(' ')[2]
  expect(clientOf(0, 0, 0, 0, 0, 0, 0, 1)).toBe('[::1]:9')
  expect(clientOf(0, 0, 0, 0, 0, 0, 0, 0)).toBe('[::]:9')
  expect(clientOf(0xfe80, 0, 0, 0, 1, 0, 0, 0)).toBe('[fe80::1:0:0:0]:9')
  expect(clientOf(1, 0, 0, 2, 0, 0, 0, 3)).toBe('[1:0:0:2::3]:9')
  expect(clientOf(1, 0, 2, 3, 4, 5, 6, 0xabcd)).toBe('[1:0:2:3:4:5:6:abcd]:9')
})
