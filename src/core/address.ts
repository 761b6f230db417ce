/**
 * Where a socket listens or connects to, and how that is written.
 *
 *     address  = tcp / unix
 *     tcp      = [ host ] ":" port         ; no host: every interface when listening, loopback when dialling
 *     host     = name / IPv4 / "[" IPv6 "]"
 *     unix     = "unix:" path
 *     port     = 0-65535                   ; 0: any free port, real one reported
 */

import { TidegateError } from '../errors.js'

export interface TcpAddress {
  readonly kind: 'tcp'
  /** A name or an IP address without brackets; empty for "not given". */
  readonly host: string
  readonly port: number
}

export interface UnixAddress {
  readonly kind: 'unix'
  /** Empty for the nameless end of a unix-socket connection. */
  readonly path: string
}

export type Address = TcpAddress | UnixAddress

const EXPECTED = 'expected host:port, :port, [ipv6]:port or unix:/path'

const invalid = (text: string, why: string): TidegateError =>
  new TidegateError('address_invalid', `'${text}' is not an address: ${why}; ${EXPECTED}`, {
    fault: 'usage',
    where: text,
  })

/** Linux keeps a socket's path in 108 bytes with its final NUL (unix(7)). */
const MAX_UNIX_PATH_BYTES = 107

const parseUnix = (text: string): UnixAddress => {
  const path = text.slice('unix:'.length)
  if (path === '') throw invalid(text, 'the path is empty')
  if (path.includes('\0')) throw invalid(text, 'the path contains a NUL')
  if (new TextEncoder().encode(path).length > MAX_UNIX_PATH_BYTES)
    throw invalid(text, `the path is longer than ${MAX_UNIX_PATH_BYTES} bytes`)
  return { kind: 'unix', path }
}

const parsePort = (text: string, port: string): number => {
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65535)
    throw invalid(text, port === '' ? 'the port is missing' : `'${port}' is not a port (0-65535)`)
  return Number(port)
}

const IPV6_SHAPE = /^[0-9a-f:.]+(%[\w.-]+)?$/i
const HOST_SHAPE = /^[\w.-]+$/

/** Reads an address. @throws TidegateError `address_invalid`, saying what was found and what is accepted. */
export const parseAddress = (text: string): Address => {
  if (text.startsWith('unix:')) return parseUnix(text)
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text)
  if (bracketed) {
    const [, host = '', port = ''] = bracketed
    if (!host.includes(':') || !IPV6_SHAPE.test(host)) throw invalid(text, `'${host}' is not an IPv6 address`)
    return { kind: 'tcp', host, port: parsePort(text, port) }
  }
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(text)
  if (scheme) throw invalid(text, `'${scheme[0]}' is a URL's beginning`)
  const colon = text.lastIndexOf(':')
  if (colon === -1)
    throw invalid(text, /^\d{1,5}$/.test(text) ? `a port alone is written ':${text}'` : 'the port is missing')
  const host = text.slice(0, colon)
  if (host.includes(':')) throw invalid(text, 'an IPv6 address is written in brackets')
  if (host !== '' && !HOST_SHAPE.test(host)) throw invalid(text, `'${host}' is not a host name`)
  return { kind: 'tcp', host, port: parsePort(text, text.slice(colon + 1)) }
}

const WILDCARDS: ReadonlySet<string> = new Set(['', '0.0.0.0', '::'])
const LOOPBACKS: ReadonlySet<string> = new Set(['', 'localhost', '127.0.0.1', '::1'])

/** Whether who listens here would connect to itself there, as far as the texts tell. */
export const leadsBack = (listen: Address, endpoint: Address): boolean => {
  if (listen.kind === 'unix' || endpoint.kind === 'unix')
    return listen.kind === 'unix' && endpoint.kind === 'unix' && listen.path === endpoint.path
  if (listen.port !== endpoint.port || listen.port === 0) return false
  if (WILDCARDS.has(listen.host)) return LOOPBACKS.has(endpoint.host) || WILDCARDS.has(endpoint.host)
  const own = listen.host.toLowerCase()
  return own === endpoint.host.toLowerCase() || (endpoint.host === '' && LOOPBACKS.has(own))
}

/** The text {@link parseAddress} reads back to the same address. */
export const formatAddress = (address: Address): string => {
  if (address.kind === 'unix') return `unix:${address.path}`
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}
