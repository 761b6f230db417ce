import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Address, formatAddress, leadsBack, parseAddress } from '../../src/core/address.js'

const port = fc.integer({ min: 0, max: 65_535 })
const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/)
const host = fc.oneof(
  fc.constant(''),
  fc.ipV4(),
  fc.ipV6(),
  fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.')),
)
const tcp = fc.record({ kind: fc.constant('tcp' as const), host, port })
const unix = fc.record({
  kind: fc.constant('unix' as const),
  path: fc.stringMatching(/^[/\w.:[\]éß -]{1,50}$/),
})

describe('addresses', () => {
  it.each<[string, Address]>([
    ['127.0.0.1:6379', { kind: 'tcp', host: '127.0.0.1', port: 6379 }],
    [':8080', { kind: 'tcp', host: '', port: 8080 }],
    ['db.example.org:0', { kind: 'tcp', host: 'db.example.org', port: 0 }],
    ['[::1]:443', { kind: 'tcp', host: '::1', port: 443 }],
    ['[fe80::1%eth0]:22', { kind: 'tcp', host: 'fe80::1%eth0', port: 22 }],
    ['unix:/run/redis.sock', { kind: 'unix', path: '/run/redis.sock' }],
    ['unix:relative.sock', { kind: 'unix', path: 'relative.sock' }],
  ])('%s is read and written back the same', (text, address) => {
    expect(parseAddress(text)).toEqual(address)
    expect(formatAddress(address)).toBe(text)
  })

  it.each([
    ['', 'the port is missing'],
    ['localhost', 'the port is missing'],
    ['localhost:', 'the port is missing'],
    ['localhost:65536', "'65536' is not a port (0-65535)"],
    ['localhost:-1', "'-1' is not a port (0-65535)"],
    ['localhost:80x', "'80x' is not a port (0-65535)"],
    ['::1:80', 'an IPv6 address is written in brackets'],
    ['[::1]', 'the port is missing'],
    ['[127.0.0.1]:80', "'127.0.0.1' is not an IPv6 address"],
    ['[]:80', "'' is not an IPv6 address"],
    ['a b:80', "'a b' is not a host name"],
    ['unix:', 'the path is empty'],
    ['unix:/a\0b', 'the path contains a NUL'],
    [`unix:/${'é'.repeat(60)}`, 'the path is longer than 107 bytes'],
  ])('%j is refused with the reason and what is accepted', (text, why) => {
    expect(() => parseAddress(text)).toThrow(
      expect.objectContaining({
        code: 'address_invalid',
        fault: 'usage',
        where: text,
        message: `'${text}' is not an address: ${why}; expected host:port, :port, [ipv6]:port or unix:/path`,
      }),
    )
  })

  it('every address is written so that it reads back the same', () => {
    fc.assert(
      fc.property(fc.oneof(tcp, unix), (address) => {
        expect(parseAddress(formatAddress(address))).toEqual(address)
      }),
    )
  })

  it('any text is an address, which is written and read back the same, or refused', () => {
    const nearly = fc.stringMatching(/^(unix:)?[[\]:.a-f\d%/]{0,16}(:\d{0,6})?$/)
    fc.assert(
      fc.property(fc.oneof(fc.string(), nearly), (text) => {
        try {
          const address = parseAddress(text)
          expect(parseAddress(formatAddress(address))).toEqual(address)
        } catch (error) {
          expect(error).toMatchObject({ code: 'address_invalid' })
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('an endpoint leads back to its listener', () => {
  const leads = (listen: string, endpoint: string) => leadsBack(parseAddress(listen), parseAddress(endpoint))

  it.each([
    ['127.0.0.1:80', '127.0.0.1:80'],
    [':80', ':80'],
    ['0.0.0.0:80', 'localhost:80'],
    ['[::]:80', '127.0.0.1:80'],
    ['localhost:80', ':80'],
    ['unix:/a', 'unix:/a'],
  ])('%s and %s', (listen, endpoint) => {
    expect(leads(listen, endpoint)).toBe(true)
  })

  it.each([
    ['127.0.0.1:80', '127.0.0.1:81'],
    ['127.0.0.1:80', '10.0.0.1:80'],
    [':80', '10.0.0.1:80'],
    ['127.0.0.1:0', '127.0.0.1:1'],
    ['unix:/a', 'unix:/b'],
    ['unix:/a', '127.0.0.1:80'],
  ])('but not %s and %s', (listen, endpoint) => {
    expect(leads(listen, endpoint)).toBe(false)
  })
})
