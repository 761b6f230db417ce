import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseAddress } from '../../../src/core/address.js'
import { beginPacket, endPacket } from '../../../src/core/codec/pcapng/writer.js'
import { packetEnds } from '../../../src/core/record/endpoints.js'
import { FLAGS, packetRoutes, writePacket } from '../../../src/core/record/tcp-packet.js'
import { parseFile } from './parse.js'

const memory = () => {
  const buffer = new ArrayBuffer(80 * 1024)
  const bytes = new Uint8Array(buffer).fill(0xaa)
  return { bytes, view: new DataView(buffer), words: new Uint32Array(buffer) }
}

const written = (server: string, flags: number, seq: number, ack: number, payload: Uint8Array) => {
  const target = memory()
  const { upstream } = packetRoutes(packetEnds(parseAddress('1.2.3.4:1'), parseAddress(server), 1))
  const at = beginPacket(target.view, 0, 0, 0, 0)
  const length = writePacket(target, at, upstream, flags, seq, ack, payload, 0, payload.length)
  beginPacket(target.view, 0, 0, 0, length)
  const end = endPacket(target.view, 0, length, [])
  const [packet] = parseFile(target.bytes.slice(0, end)).packets
  if (packet === undefined) throw new Error('no packet')
  return packet
}

test('both checksums are right for any payload, over IPv4 and IPv6', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.constantFrom('5.6.7.8:65535', '[2001:db8::1]:80'),
      fc.nat(2 ** 32 - 1),
      fc.nat(2 ** 32 - 1),
      (payload, server, seq, ack) => {
        expect(written(server, FLAGS.psh | FLAGS.ack, seq, ack, payload)).toMatchObject({
          payload,
          seq,
          ack,
          flags: 'psh ack',
          checksumsRight: true,
        })
      },
    ),
  )
})

test('the largest payload fits the IP length and has a right checksum', () => {
  for (const [server, size] of [
    ['5.6.7.8:1', 65_495],
    ['[::5]:1', 65_515],
  ] as const) {
    const { upstream } = packetRoutes(packetEnds(parseAddress('1.2.3.4:1'), parseAddress(server), 1))
    expect(upstream.maxPayload).toBe(size)
    const packet = written(server, FLAGS.ack, 1, 2, new Uint8Array(size).fill(0xff))
    expect(packet.checksumsRight).toBe(true)
    expect(packet.payload.length).toBe(size)
  }
})

test('sequence numbers wrap at 2^32', () => {
  expect(written('5.6.7.8:1', FLAGS.ack, 2 ** 32 + 5, 2 ** 33 + 6, new Uint8Array(1))).toMatchObject({
    seq: 5,
    ack: 6,
  })
})
