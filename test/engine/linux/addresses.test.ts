import { describe, expect, it } from 'vitest'
import { literalAddress, resolveName, tcpAddressOf } from '../../../src/engine/linux/addresses.js'

const roundTrip = (host: string): string => {
  const literal = literalAddress({ kind: 'tcp', host, port: 80 })
  const address = literal === null ? null : tcpAddressOf(literal.bytes)
  return address?.kind === 'tcp' ? address.host : 'a name'
}

describe('an address', () => {
  it.each([
    '127.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '1::',
    '2001:db8::1:0:0:1',
    '2001:db8:1:2:3:4:5:6',
    '2001:0:0:1::1',
  ])('%s comes back from the kernel’s form as it was', (host) => {
    expect(roundTrip(host)).toBe(host)
  })

  it.each([
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
  ])('%s is known as %s', (host, known) => {
    expect(roundTrip(host)).toBe(known)
  })

  it('that is a name has to be looked up', async () => {
    expect(roundTrip('localhost')).toBe('a name')
    const found = (await resolveName('localhost', 80)).map(({ bytes }) => tcpAddressOf(bytes))
    expect(found.length).toBeGreaterThan(0)
    for (const address of found) expect(address).toMatchObject({ kind: 'tcp', port: 80 })
  })

  it.each([
    [{ kind: 'tcp', host: '127.0.0.1', port: 65_536 }, 'ERR_SOCKET_BAD_PORT'],
    [{ kind: 'tcp', host: '::1%no-such-interface', port: 1 }, 'EINVAL'],
    [{ kind: 'unix', path: `/${'x'.repeat(107)}` }, 'ENAMETOOLONG'],
    [{ kind: 'unix', path: '' }, 'EINVAL'],
  ] as const)('%j is refused before the kernel sees it', (address, code) => {
    expect(() => literalAddress(address)).toThrow(expect.objectContaining({ code }))
  })
})
