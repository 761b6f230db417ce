/**
 * How the connections of a pool are made: plain sockets, TLS, or anything else that gives a stream.
 *
 * A dialer resolves with a stream that is connected, and gives up when its signal is aborted. What it throws is what the pool's user
 * sees: a TidegateError as it is, else as the cause of a `dial_failed`.
 */

import { connect, isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls'
import { type Address, formatAddress } from '../core/address.js'
import { dialError } from '../engine/shared/errors.js'
import { messageOf, TidegateError } from '../errors.js'

export interface DialContext {
  /** The pool's address. */
  readonly address: Address
  /** Aborted when nobody wants the connection any more, or the connect timeout is over. */
  readonly signal: AbortSignal
}

export type Dialer<C extends Duplex> = (context: DialContext) => C | Promise<C>

export interface TcpDialerOptions {
  /** TCP_NODELAY. Default true. */
  readonly noDelay?: boolean
  /** Idle time before TCP keep-alive probes start, ms; 0 (default): no probes. */
  readonly keepAliveMs?: number
}

/** Where `net.connect` and `tls.connect` find it. */
const place = (address: Address): { path: string } | { host: string; port: number } =>
  address.kind === 'unix'
    ? { path: address.path }
    : { host: address.host === '' ? 'localhost' : address.host, port: address.port }

const ready = <S extends Socket>(socket: S, event: string, { address, signal }: DialContext): Promise<S> =>
  new Promise((resolve, reject) => {
    const over = (): void => signal.removeEventListener('abort', abort)
    const fail = (error: unknown): void => {
      over()
      socket.destroy()
      reject(dialError(address, error))
    }
    const abort = (): void => fail(new Error('given up'))
    // Stays for good: an error that follows an abort is nobody's concern, and one that comes later is the pool's.
    socket.on('error', fail)
    socket.once('close', () => fail(new Error('the connection was closed')))
    socket.once(event, () => {
      over()
      resolve(socket)
    })
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort)
  })

/** Plain TCP, or a unix socket. What a pool uses when it is given no dialer. */
export const tcpDialer =
  ({ noDelay = true, keepAliveMs = 0 }: TcpDialerOptions = {}): Dialer<Socket> =>
  (context) => {
    const options = { noDelay, keepAlive: keepAliveMs > 0, keepAliveInitialDelay: keepAliveMs }
    return ready(connect({ ...place(context.address), ...options }), 'connect', context)
  }

/**
 * TLS over TCP or a unix socket; a connection is ready when its handshake is done. `options` are those of Node's `tls.connect`; the
 * server's name is the address's host unless they say otherwise.
 */
export const tlsDialer =
  (options: ConnectionOptions = {}): Dialer<TLSSocket> =>
  (context) => {
    const { address } = context
    const named = address.kind === 'tcp' && address.host !== '' && isIP(address.host) === 0
    const servername = named ? { servername: address.host } : {}
    return ready(tlsConnect({ ...servername, ...options, ...place(address) }), 'secureConnect', context)
  }

export const anyDialError = (address: Address, thrown: unknown): TidegateError => {
  if (thrown instanceof TidegateError) return thrown
  const where = formatAddress(address)
  return new TidegateError('dial_failed', `cannot connect to ${where}: ${messageOf(thrown)}`, {
    fault: 'peer',
    retryable: true,
    where,
    cause: thrown,
  })
}
