import { expect, test } from 'vitest'
import { parseAddress } from '../../../src/core/address.js'
import { packetEnds } from '../../../src/core/record/endpoints.js'

const ends = (client: string, server: string, id = 1) => {
  const found = packetEnds(parseAddress(client), parseAddress(server), id)
  const text = ({ words, port }: typeof found.client): string =>
    `${words.map((word) => word.toString(16).padStart(8, '0')).join('')}:${port}`
  return [found.version, text(found.client), text(found.server)]
}

test('two IPv4 ends are written as they are', () => {
  expect(ends('127.0.0.1:40000', '10.1.2.3:6379')).toEqual([4, '7f000001:40000', '0a010203:6379'])
})

test('two IPv6 ends are written as they are, without a zone', () => {
  const loopback = '00000000000000000000000000000001'
  expect(ends('[::1]:40000', '[fe80::1%eth0]:80')).toEqual([
    6,
    `${loopback}:40000`,
    'fe800000000000000000000000000001:80',
  ])
})

test('an IPv4 end facing an IPv6 end is written as mapped', () => {
  expect(ends('192.168.1.2:1', '[2001:db8::7]:2')).toEqual([
    6,
    '00000000000000000000ffffc0a80102:1',
    '20010db8000000000000000000000007:2',
  ])
})

test('a mapped IPv4 end is written as IPv4 when the other allows it', () => {
  expect(ends('[::ffff:127.0.0.1]:1', '127.0.0.1:2')).toEqual([4, '7f000001:1', '7f000001:2'])
})

test('unix ends get documentation addresses: the client a port per connection, the server a port per path', () => {
  const first = ends('unix:/a', 'unix:/run/redis.sock', 7)
  expect(first[0]).toBe(4)
  expect(first[1]).toBe('c0000201:1031')
  expect(first[2]).toMatch(/^c0000202:(49[1-9]|[56])\d+$/)
  expect(ends('unix:/a', 'unix:/run/redis.sock', 8)[2]).toBe(first[2])
  expect(ends('unix:/a', 'unix:/run/other.sock', 7)[2]).not.toBe(first[2])
})

test('a unix end facing IPv6 gets a documentation address of IPv6', () => {
  expect(ends('[::1]:5', 'unix:/s')[2]).toMatch(/^20010db8000000000000000000000002:/)
})

test('a nameless unix client and a host that is a name are written too', () => {
  const nameless = packetEnds({ kind: 'unix', path: '' }, parseAddress('127.0.0.1:80'), 64_512 + 3)
  expect(nameless.client.port).toBe(1027)
  expect(ends('127.0.0.1:9', 'redis.local:6379')[2]).toBe('c0000202:6379')
})
