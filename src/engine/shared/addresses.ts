/** Where the ends of a stream are, in Tidegate's notation. */

import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Address } from '../../core/address.js'

/** A stream that is no TCP socket has ends without a name. */
const NAMELESS: Address = { kind: 'unix', path: '' }

/** A dual-stack listener sees IPv4 clients as `::ffff:192.0.2.1` (RFC 4291 §2.5.5.2); people and CIDR rules do not. */
const IPV4_MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

const tcp = (host: string, port: number): Address => ({
  kind: 'tcp',
  host: IPV4_MAPPED.exec(host)?.[1] ?? host,
  port,
})

const isAddressInfo = (value: object): value is { address: string; port: number } =>
  'address' in value && 'port' in value

export interface Ends {
  readonly local: Address
  readonly remote: Address
}

/** A peer that is gone already has no address any more: `:0`. */
const GONE: Address = { kind: 'tcp', host: '', port: 0 }

export const endsOfTcp = (socket: Socket): Ends => ({
  local: socket.localAddress === undefined ? GONE : tcp(socket.localAddress, socket.localPort ?? 0),
  remote: socket.remoteAddress === undefined ? GONE : tcp(socket.remoteAddress, socket.remotePort ?? 0),
})

export const endsOfStream = (stream: Duplex): Ends =>
  stream instanceof Socket && isAddressInfo(stream.address())
    ? endsOfTcp(stream)
    : { local: NAMELESS, remote: NAMELESS }

export const nameless = NAMELESS

export const fromAddressInfo = (info: { readonly address: string; readonly port: number }): Address => ({
  kind: 'tcp',
  host: info.address,
  port: info.port,
})
