import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Address } from '../../../src/core/address.js'
import { checkCidr, compileAccessRules } from '../../../src/core/route/cidr.js'

const tcp = (host: string): Address => ({ kind: 'tcp', host, port: 40_000 })

const allows = (rules: { allow?: string[]; deny?: string[] }, host: string): boolean =>
  compileAccessRules({ allow: rules.allow ?? [], deny: rules.deny ?? [] })(tcp(host))

describe('access rules', () => {
  it('without rules everybody may connect', () => {
    const mayConnect = compileAccessRules({ allow: [], deny: [] })
    expect(mayConnect(tcp('203.0.113.9'))).toBe(true)
    expect(mayConnect({ kind: 'unix', path: '' })).toBe(true)
  })

  it('an allow list lets in only what it names', () => {
    const rules = { allow: ['10.0.0.0/8', '192.168.1.7'] }
    expect(allows(rules, '10.255.0.1')).toBe(true)
    expect(allows(rules, '192.168.1.7')).toBe(true)
    expect(allows(rules, '192.168.1.8')).toBe(false)
    expect(allows(rules, '11.0.0.1')).toBe(false)
    expect(allows(rules, '2001:db8::1')).toBe(false)
  })

  it('deny wins over allow', () => {
    const rules = { allow: ['10.0.0.0/8'], deny: ['10.6.0.0/16'] }
    expect(allows(rules, '10.5.0.1')).toBe(true)
    expect(allows(rules, '10.6.0.1')).toBe(false)
  })

  it('a deny list alone lets in everybody else', () => {
    expect(allows({ deny: ['10.6.6.6'] }, '10.6.6.7')).toBe(true)
    expect(allows({ deny: ['10.6.6.6'] }, '10.6.6.6')).toBe(false)
    expect(allows({ deny: ['10.6.6.6'] }, '::1')).toBe(true)
  })

  it('an IPv4 client of a dual-stack listener matches IPv4 rules', () => {
    expect(allows({ allow: ['10.0.0.0/8'] }, '::ffff:10.1.2.3')).toBe(true)
    expect(allows({ deny: ['10.0.0.0/8'] }, '::ffff:10.1.2.3')).toBe(false)
    expect(allows({ deny: ['10.0.0.0/8'] }, '::ffff:a01:203')).toBe(false)
  })

  it('a rule written as an IPv4-mapped IPv6 network matches IPv4 clients', () => {
    expect(allows({ allow: ['::ffff:10.0.0.0/104'] }, '10.1.2.3')).toBe(true)
    expect(allows({ allow: ['::ffff:10.0.0.0/104'] }, '11.1.2.3')).toBe(false)
  })

  it('IPv6 networks match IPv6 clients, whatever their zone', () => {
    expect(allows({ allow: ['2001:db8::/32'] }, '2001:db8:7::1')).toBe(true)
    expect(allows({ allow: ['2001:db8::/32'] }, '2001:db9::1')).toBe(false)
    expect(allows({ deny: ['fe80::/10'] }, 'fe80::1%eth0')).toBe(false)
    expect(allows({ allow: ['::1'] }, '::1')).toBe(true)
    expect(allows({ allow: ['::1'] }, '::2')).toBe(false)
  })

  it('the network ::/0 is all of IPv6, and no IPv4', () => {
    expect(allows({ allow: ['::/0'] }, '2001:db8::1')).toBe(true)
    expect(allows({ allow: ['::/0'] }, '::ffff:10.1.2.3')).toBe(false)
    expect(allows({ allow: ['0.0.0.0/0'] }, '10.1.2.3')).toBe(true)
  })

  it('a client of a unix socket is refused by any allow list and by no deny list', () => {
    const unix: Address = { kind: 'unix', path: '' }
    expect(compileAccessRules({ allow: ['0.0.0.0/0', '::/0'], deny: [] })(unix)).toBe(false)
    expect(compileAccessRules({ allow: [], deny: ['0.0.0.0/0', '::/0'] })(unix)).toBe(true)
  })

  it('a client whose address cannot be read is refused as soon as there are rules', () => {
    expect(allows({ deny: ['10.0.0.0/8'] }, 'localhost')).toBe(false)
    expect(allows({ allow: ['10.0.0.0/8'] }, '')).toBe(false)
  })

  it('agrees with arithmetic on the address as a number', () => {
    const ip = fc.integer({ min: 0, max: 2 ** 32 - 1 })
    const text = (value: number) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.')
    fc.assert(
      fc.property(ip, ip, fc.integer({ min: 0, max: 32 }), fc.boolean(), (network, other, prefix, near) => {
        const size = 2 ** (32 - prefix)
        // Random addresses hardly ever share a long prefix: half of them are drawn from the network itself.
        const client = near ? Math.floor(network / size) * size + (other % size) : other
        const inside = Math.floor(network / size) === Math.floor(client / size)
        expect(allows({ allow: [`${text(network)}/${prefix}`] }, text(client))).toBe(inside)
        expect(allows({ deny: [`${text(network)}/${prefix}`] }, text(client))).toBe(!inside)
      }),
    )
  })
})

describe('CIDR text', () => {
  it.each([
    ['10.0.0', "'10.0.0' is not an IP address"],
    ['10.0.0.0/33', 'the prefix is not 0-32'],
    ['10.0.0.0/', 'the prefix is not 0-32'],
    ['10.0.0.0/8/9', 'the prefix is not 0-32'],
    ['10.0.0.0/-1', 'the prefix is not 0-32'],
    ['::/129', 'the prefix is not 0-128'],
    ['010.0.0.1', "'010.0.0.1' is not an IP address"],
    ['0x7f.1', "'0x7f.1' is not an IP address"],
    ['256.0.0.1', "'256.0.0.1' is not an IP address"],
    ['fe80::1%eth0', "'fe80::1%eth0' is not an IP address"],
    ['localhost', "'localhost' is not an IP address"],
    ['', "'' is not an IP address"],
  ])('%j is refused with the reason and what is accepted', (text, why) => {
    const message = `'${text}' is not a CIDR rule: ${why}; expected e.g. 10.0.0.0/8, 192.168.1.7, 2001:db8::/32`
    expect(() => checkCidr(text)).toThrow(expect.objectContaining({ code: 'value_invalid', message }))
    expect(() => compileAccessRules({ allow: [], deny: [text] })).toThrow(message)
  })

  it('any other text is a rule or refused, and never anything else', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[\d.:a-f/%]{0,20}$/)), (text) => {
        try {
          checkCidr(text)
        } catch (error) {
          expect(error).toMatchObject({ code: 'value_invalid' })
        }
      }),
    )
  })
})
