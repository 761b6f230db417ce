/**
 * The PROXY protocol: a header before the first byte of a TCP connection, by which a proxy says whose connection it
 * brings (HAProxy, doc/proxy-protocol.txt). Version 1 is a line of text, version 2 is binary.
 *
 *     v1 = "PROXY " ( "TCP4" / "TCP6" ) SP source SP destination SP source-port SP destination-port CRLF
 *        / "PROXY UNKNOWN" [ SP anything ] CRLF                              ; at most 107 bytes
 *     v2 = signature:12  version and command:1  family and transport:1  length:2  addresses  *TLV
 *     addresses = source:4 destination:4 source-port:2 destination-port:2      ; INET
 *               / source:16 destination:16 source-port:2 destination-port:2    ; INET6
 *               / source:108 destination:108                                   ; UNIX
 *     TLV = type:1 length:2 value                                              ; numbers are big-endian
 *
 * - source, destination: the two ends of the connection that the proxy has accepted: its client, and itself
 * - of its own: a connection that the proxy makes for itself (a health check), or of ends it cannot tell: `LOCAL` in
 *   version 2, `UNKNOWN` in version 1. Its ends are those of the socket
 */

import type { Address } from '../../address.js'
import { asciiBytes } from './text.js'

export type ProxyVersion = 'v1' | 'v2'

/** What a header of version 2 says besides the addresses, as it was sent: the protocol's PP2_TYPE_ALPN, PP2_TYPE_AUTHORITY, … */
export interface ProxyTlv {
  readonly type: number
  readonly value: Uint8Array
}

export interface ProxyHeader {
  readonly kind: 'match'
  readonly version: ProxyVersion
  /** The proxy's client; null when the connection is the proxy's own (`LOCAL`, `UNKNOWN`, family unspecified). */
  readonly source: Address | null
  /** Where that client had connected to; null together with `source`. */
  readonly destination: Address | null
  /** In the order of the header; none where `source` is null, since what follows an unknown family cannot be told apart. */
  readonly tlvs: readonly ProxyTlv[]
  /** How many bytes the header takes; what follows them is the connection's own. */
  readonly length: number
}

export type ProxyParse =
  | ProxyHeader
  /** So far it is the beginning of a header. */
  | { readonly kind: 'need_more' }
  /** It does not begin as a header does. */
  | { readonly kind: 'no_match' }
  /** It begins as a header does, and is none. */
  | { readonly kind: 'invalid'; readonly why: string }

/** The longest line of version 1, with its CRLF. */
export const MAX_V1_BYTES = 107

export const V1_PREFIX = asciiBytes('PROXY ')

export const V2_SIGNATURE = asciiBytes('\r\n\r\n\0\r\nQUIT\n')

/** Signature, version, command, family, transport, and the length of what follows. */
export const V2_FIXED_BYTES = 16

export const LOCAL = 0x20
export const PROXY = 0x21

/** Family and transport together; only what is carried over a stream can be relayed. */
export const UNSPEC = 0x00
export const INET_STREAM = 0x11
export const INET6_STREAM = 0x21
export const UNIX_STREAM = 0x31

export const INET_BYTES = 12
export const INET6_BYTES = 36
/** Of each end; a shorter path is followed by zeros. */
export const UNIX_PATH_BYTES = 108
export const UNIX_BYTES = 2 * UNIX_PATH_BYTES

export const TLV_HEADER_BYTES = 3
export const TLV_CRC32C = 0x03

/** The protocol allows 64 KiB of them; proxies send some dozens of bytes, with a TLS client's names some hundreds. */
const MAX_TLV_BYTES = 4096

/** The longest header that is read: a client that has not shown who it is gets no more memory than this. */
export const MAX_PROXY_HEADER_BYTES = V2_FIXED_BYTES + UNIX_BYTES + MAX_TLV_BYTES
