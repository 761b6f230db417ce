/**
 * Who may connect, by address.
 *
 *     rule  = IPv4 [ "/" 0-32 ] / IPv6 [ "/" 0-128 ]     ; no prefix: this one address
 *
 * A client matches by its IP address; IPv4 clients of a dual-stack listener (`::ffff:10.1.2.3`) match IPv4 rules, and so do
 * rules written that way. `deny` wins over `allow`; an `allow` list that is not empty lets in only what it names.
 *
 * Clients of a unix socket have no IP address, so no rule matches them: an `allow` list refuses them all (the safe reading of
 * "only these"), a `deny` list refuses none of them. File permissions guard a unix socket.
 */

import ipaddr from 'ipaddr.js'
import { TidegateError } from '../../errors.js'
import type { Address } from '../address.js'

type Ip = ipaddr.IPv4 | ipaddr.IPv6

interface Rule {
  readonly network: Ip
  readonly prefix: number
}

export interface AccessRules {
  readonly allow: readonly string[]
  readonly deny: readonly string[]
}

const EXPECTED = 'expected e.g. 10.0.0.0/8, 192.168.1.7, 2001:db8::/32'

const invalid = (text: string, why: string): TidegateError =>
  new TidegateError('value_invalid', `'${text}' is not a CIDR rule: ${why}; ${EXPECTED}`, {
    fault: 'usage',
    where: text,
  })

/** ipaddr.js also takes `10.1` and octal parts (inet_aton); people who write those mean something else. */
const parseIp = (text: string): Ip | null => {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text)
  return text.includes(':') && !text.includes('%') && ipaddr.IPv6.isValid(text)
    ? ipaddr.IPv6.parse(text)
    : null
}

/** The bits that `::ffff:0:0/96` puts before an IPv4 address. */
const MAPPED_BITS = 96

const parseRule = (text: string): Rule => {
  const [host = '', length, ...rest] = text.split('/')
  const network = parseIp(host)
  if (network === null) throw invalid(text, `'${host}' is not an IP address`)
  const bits = network.kind() === 'ipv4' ? 32 : 128
  if (length === undefined) return unmapRule({ network, prefix: bits })
  if (rest.length > 0 || !/^\d{1,3}$/.test(length) || Number(length) > bits)
    throw invalid(text, `the prefix is not 0-${bits}`)
  return unmapRule({ network, prefix: Number(length) })
}

const unmapRule = (rule: Rule): Rule =>
  rule.network instanceof ipaddr.IPv6 && rule.network.isIPv4MappedAddress() && rule.prefix >= MAPPED_BITS
    ? { network: rule.network.toIPv4Address(), prefix: rule.prefix - MAPPED_BITS }
    : rule

/** A client's address without its zone (`fe80::1%eth0`), IPv4 wherever it is; null for what is no IP address. */
const ipOf = (host: string): Ip | null => {
  const zone = host.indexOf('%')
  const ip = parseIp(zone === -1 ? host : host.slice(0, zone))
  return ip instanceof ipaddr.IPv6 && ip.isIPv4MappedAddress() ? ip.toIPv4Address() : ip
}

/** The 4 or 16 bytes that rules look at: the same for all ways of writing an address. Null for what is no IP address. */
export const addressBytes = (host: string): readonly number[] | null => ipOf(host)?.toByteArray() ?? null

const matches = (ip: Ip, { network, prefix }: Rule): boolean =>
  ip.kind() === network.kind() && ip.match(network, prefix)

/** @throws TidegateError `value_invalid` unless `text` is a rule. */
export const checkCidr = (text: string): void => {
  parseRule(text)
}

/**
 * Compiles the rules once; the function it returns says whether a client may connect.
 * @throws TidegateError `value_invalid`, naming the first rule that is none.
 */
export const compileAccessRules = (rules: AccessRules): ((client: Address) => boolean) => {
  const allow = rules.allow.map(parseRule)
  const deny = rules.deny.map(parseRule)
  if (allow.length === 0 && deny.length === 0) return () => true
  return (client) => {
    if (client.kind === 'unix') return allow.length === 0
    const ip = ipOf(client.host)
    if (ip === null) return false
    if (deny.some((rule) => matches(ip, rule))) return false
    return allow.length === 0 || allow.some((rule) => matches(ip, rule))
  }
}
