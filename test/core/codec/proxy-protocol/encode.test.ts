import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Address } from '../../../../src/core/address.js'
import { encodeProxyHeader } from '../../../../src/core/codec/proxy-protocol/encode.js'
import { parseProxyHeader } from '../../../../src/core/codec/proxy-protocol/parse.js'
import { ipv4Text, ipv6Text } from '../../../../src/core/ip-text.js'
import { v2 } from './builders.js'

const tcp = (host: string, port: number): Address => ({ kind: 'tcp', host, port })
const unix = (path: string): Address => ({ kind: 'unix', path })
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

const UNKNOWN_V1 = 'PROXY UNKNOWN\r\n'
const UNKNOWN_V2 = v2({ command: 0x20, family: 0x00, block: [] })

const ports = fc.nat(65_535)
const ipv4s = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => ipv4Text(bytes, 0))
const ipv6s = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => ipv6Text(bytes, 0))
  .filter((host) => !host.startsWith('::ffff:'))
const ends = fc.tuple(fc.oneof(ipv4s, ipv6s), ports).map(([host, port]) => tcp(host, port))
const paths = fc
  .string({ unit: 'grapheme', maxLength: 40 })
  .filter((path) => Buffer.from(path).length <= 108 && !/\p{Cc}/u.test(path))

describe('encodeProxyHeader', () => {
  it('is read back to the same ends', () => {
    fc.assert(
      fc.property(fc.constantFrom('v1', 'v2'), ends, ends, (version, source, destination) => {
        const header = encodeProxyHeader(version, source, destination)
        expect(parseProxyHeader(header)).toEqual({
          kind: 'match',
          version,
          source,
          destination,
          tlvs: [],
          length: header.length,
        })
      }),
    )
  })

  it('of unix sockets is read back to the same paths in version 2', () => {
    fc.assert(
      fc.property(paths, paths, (source, destination) => {
        expect(parseProxyHeader(encodeProxyHeader('v2', unix(source), unix(destination)))).toMatchObject({
          source: unix(source),
          destination: unix(destination),
        })
      }),
    )
  })

  it('writes the line of version 1', () => {
    expect(text(encodeProxyHeader('v1', tcp('192.0.2.7', 0), tcp('198.51.100.9', 65535)))).toBe(
      'PROXY TCP4 192.0.2.7 198.51.100.9 0 65535\r\n',
    )
    expect(text(encodeProxyHeader('v1', tcp('2001:DB8:0::7', 1), tcp('::1', 2)))).toBe(
      'PROXY TCP6 2001:db8::7 ::1 1 2\r\n',
    )
  })

  it('writes an IPv4 end that faces an IPv6 one as IPv4-mapped, and two that are IPv4 in truth as IPv4', () => {
    expect(text(encodeProxyHeader('v1', tcp('192.0.2.7', 1), tcp('::1', 2)))).toBe(
      'PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n',
    )
    expect(text(encodeProxyHeader('v1', tcp('::ffff:192.0.2.7', 1), tcp('192.0.2.8', 2)))).toBe(
      'PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n',
    )
  })

  it('drops a zone', () => {
    expect(text(encodeProxyHeader('v1', tcp('fe80::1%eth0', 1), tcp('fe80::2%2', 2)))).toBe(
      'PROXY TCP6 fe80::1 fe80::2 1 2\r\n',
    )
  })

  it.each([
    ['a unix end facing an IP one', unix('/run/a'), tcp('127.0.0.1', 1)],
    ['an IP end facing a unix one', tcp('127.0.0.1', 1), unix('/run/a')],
    ['a name', tcp('localhost', 1), tcp('127.0.0.1', 1)],
    ['no host', tcp('', 0), tcp('127.0.0.1', 1)],
    ['no port', tcp('127.0.0.1', 65536), tcp('127.0.0.1', 1)],
    ['a path that does not fit', unix(''), unix('/'.padEnd(109, 'x'))],
  ])('says of %s that the ends are unknown', (_, source, destination) => {
    expect(text(encodeProxyHeader('v1', source, destination))).toBe(UNKNOWN_V1)
    expect(encodeProxyHeader('v2', source, destination)).toEqual(UNKNOWN_V2)
  })

  it('says in version 1 that unix ends are unknown', () => {
    expect(text(encodeProxyHeader('v1', unix(''), unix('/run/a')))).toBe(UNKNOWN_V1)
  })
})
