/**
 * Reads the PROXY header at the beginning of a client's connection, and nothing behind it: whatever else was read is put
 * back. What comes of it is who the client is, or why it is not served; it is never guessed.
 *
 * - peer: who has connected to us; with a header it is a proxy, and its client is ours
 */

import { type Address, formatAddress } from '../core/address.js'
import { joined } from '../core/bytes.js'
import type { CloseReason } from '../core/close-reason.js'
import {
  MAX_PROXY_HEADER_BYTES,
  type ProxyHeader,
  type ProxyParse,
} from '../core/codec/proxy-protocol/header.js'
import { parseProxyHeader } from '../core/codec/proxy-protocol/parse.js'
import { TidegateError } from '../errors.js'
import type { Conn } from '../ports/engine.js'
import type { ProxySettings } from './plane.js'
import { readSome } from './read-some.js'

export type HeaderOutcome =
  | { readonly kind: 'client'; readonly address: Address }
  | { readonly kind: 'refused'; readonly reason: CloseReason; readonly error?: TidegateError }
  /** It was closed here meanwhile. */
  | { readonly kind: 'gone' }

const GONE: HeaderOutcome = { kind: 'gone' }
const RESET: HeaderOutcome = { kind: 'refused', reason: 'client_reset' }

const refused = (peer: Conn, what: string): HeaderOutcome => {
  const where = formatAddress(peer.remote)
  const error = new TidegateError('proxy_header_invalid', `${where} ${what}`, { fault: 'peer', where })
  return { kind: 'refused', reason: 'proxy_protocol', error }
}

const asItself = ({ remote }: Conn): HeaderOutcome => ({ kind: 'client', address: remote })

const matched = (peer: Conn, bytes: Uint8Array, { source, length }: ProxyHeader): HeaderOutcome => {
  peer.unread(bytes.subarray(length))
  return source === null ? asItself(peer) : { kind: 'client', address: source }
}

const withoutHeader = (peer: Conn, bytes: Uint8Array, mode: ProxySettings['mode']): HeaderOutcome => {
  if (mode === 'require') return refused(peer, 'did not begin with a PROXY header')
  peer.unread(bytes)
  return asItself(peer)
}

const decided = (
  peer: Conn,
  bytes: Uint8Array,
  parsed: Exclude<ProxyParse, { readonly kind: 'need_more' }>,
  mode: ProxySettings['mode'],
): HeaderOutcome => {
  if (parsed.kind === 'match') return matched(peer, bytes, parsed)
  if (parsed.kind === 'no_match') return withoutHeader(peer, bytes, mode)
  return refused(peer, `sent a PROXY header that is not valid: ${parsed.why}`)
}

/** Nothing more will come, or not in time. A header that is cut off is none; nothing at all is no header. */
const cutOff = (
  peer: Conn,
  bytes: Uint8Array,
  why: 'end' | 'timeout',
  { mode, timeoutMs }: ProxySettings,
): HeaderOutcome => {
  if (bytes.length === 0 && mode === 'accept') return asItself(peer)
  if (why === 'timeout') return refused(peer, `sent no whole PROXY header within ${timeoutMs} ms`)
  return refused(peer, bytes.length === 0 ? 'ended without a PROXY header' : 'ended within its PROXY header')
}

/** `peer` is one whose headers are believed; it must not be linked, read or watched meanwhile. */
export const readProxyHeader = async (peer: Conn, settings: ProxySettings): Promise<HeaderOutcome> => {
  const deadline = performance.now() + settings.timeoutMs
  let bytes: Uint8Array = new Uint8Array(0)
  for (;;) {
    const left = Math.ceil(deadline - performance.now())
    const read = await readSome(peer, MAX_PROXY_HEADER_BYTES - bytes.length, left)
    if (read === 'gone') return GONE
    if (read === 'reset') return RESET
    if (typeof read === 'string') return cutOff(peer, bytes, read, settings)
    bytes = joined([bytes, read])
    const parsed = parseProxyHeader(bytes)
    if (parsed.kind !== 'need_more') return decided(peer, bytes, parsed, settings.mode)
  }
}
