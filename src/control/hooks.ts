/**
 * Hooks: the caller's own code on the way of a connection.
 *
 * - connectTarget decides where a client is connected
 * - inspect sees each chunk and may change, drop or refuse it
 * - observers only watch
 *
 * A hook that throws or rejects ends that one connection with reason `error`, is logged, and does nothing else.
 */

import { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { type Address, formatAddress, parseAddress } from '../core/address.js'
import type { Direction } from '../core/direction.js'
import type { ConnectionIdentity, ConnectionRecord } from '../core/session/record.js'
import { messageOf, TidegateError } from '../errors.js'
import type { LinkedConnection, LinkWatch, RouteDecision } from '../ports/control.js'
import type { Link } from '../ports/engine.js'

/** An address in text or parsed, several to be tried in order, or a stream of the caller's own. */
export type ConnectTargetAnswer = string | Address | readonly (string | Address)[] | Duplex | null | undefined

/**
 * Chooses the upstream for one client. Null or undefined: the listener's configured upstream. A stream
 * belongs to the gateway from then on; a socket that is still connecting (also TLS) is waited for. The answer has to come
 * within the connect timeout.
 */
export type ConnectTarget = (client: ConnectionIdentity) => ConnectTargetAnswer | Promise<ConnectTargetAnswer>

export interface InspectContext {
  readonly connection: LinkedConnection
  readonly direction: Direction
}

/** Nothing or `pass`: forward as it is. Bytes: forward these instead. `terminate`: end the connection with reason `denied`. */
// biome-ignore lint/suspicious/noConfusingVoidType: a hook without a return statement passes everything
export type InspectAnswer = void | undefined | 'pass' | 'drop' | 'terminate' | Uint8Array

/**
 * Sees each chunk of either direction before it is forwarded. A chunk is whatever arrived together; it is no message. While a
 * promise is pending that direction of that connection waits.
 */
export type Inspect = (chunk: Uint8Array, context: InspectContext) => InspectAnswer | Promise<InspectAnswer>

/**
 * Watches; each method is optional. What `onData` is shown is valid only during the call. Nobody waits for a method that
 * is async, but its rejection counts like a throw.
 */
export interface ConnectionObserver {
  /** The connection has its upstream, and no byte has moved. */
  onOpen?(connection: LinkedConnection): void
  /** These bytes are about to be forwarded. */
  onData?(connection: LinkedConnection, chunk: Uint8Array, direction: Direction): void
  /** The source of `direction` has ended (half-close). */
  onEndOfStream?(connection: LinkedConnection, direction: Direction): void
  /** The account of any connection that ended, refused ones included. */
  onClose?(record: ConnectionRecord): void
}

/** What a connection is ended with when the caller's code threw or rejected. */
export const hookFailed = (thrown: unknown): TidegateError =>
  new TidegateError('hook_failed', `a hook failed: ${messageOf(thrown)}`, { fault: 'hook', cause: thrown })

/** Hooks may bring a promise of another library. */
export const isPromise = <T>(answer: T | PromiseLike<T>): answer is PromiseLike<T> =>
  typeof answer === 'object' && answer !== null && 'then' in answer && typeof answer.then === 'function'

/** A hook in plain JavaScript may call anything an address; only what `parseAddress` reads is one. */
const textOf = (target: Address): string => {
  if (target.kind === 'unix') return `unix:${target.path}`
  return typeof target.host === 'string' ? formatAddress(target) : JSON.stringify(target)
}

const toAddress = (target: string | Address): Address =>
  parseAddress(typeof target === 'string' ? target : textOf(target))

const isAddress = (answer: unknown): answer is Address =>
  typeof answer === 'object' && answer !== null && 'kind' in answer

const addressOfStream = (stream: Duplex): Address => {
  if (stream instanceof Socket && stream.remoteAddress !== undefined && stream.remotePort !== undefined)
    return { kind: 'tcp', host: stream.remoteAddress, port: stream.remotePort }
  return { kind: 'unix', path: '' }
}

/** Node sets `secureConnecting` on client TLS sockets until the handshake is over; its types leave it out. */
const isSecureConnecting = (socket: Socket): boolean =>
  socket instanceof TLSSocket && 'secureConnecting' in socket && socket.secureConnecting === true

/** Resolves when a socket that is still connecting is ready to carry data. */
const ready = (stream: Duplex): Promise<void> => {
  if (!(stream instanceof Socket)) return Promise.resolve()
  const secure = isSecureConnecting(stream)
  if (!stream.connecting && !secure) return Promise.resolve()
  return new Promise((resolve, reject) => {
    const event = secure ? 'secureConnect' : 'connect'
    const settle = (error?: Error): void => {
      stream.off(event, settle).off('error', settle).off('close', closed)
      if (error === undefined) resolve()
      else reject(error)
    }
    const closed = (): void => settle(new Error('the socket closed before it was connected'))
    stream
      .once(event, () => settle())
      .once('error', settle)
      .once('close', closed)
  })
}

const decideStream = async (stream: Duplex, unwanted: AbortSignal): Promise<RouteDecision> => {
  const giveUp = (): void => void stream.destroy()
  unwanted.addEventListener('abort', giveUp, { once: true })
  try {
    await ready(stream)
  } catch (cause) {
    stream.destroy()
    const detail = cause instanceof Error ? cause.message : String(cause)
    const error = new TidegateError('dial_failed', `the hook's own socket failed: ${detail}`, {
      fault: 'peer',
      cause,
    })
    return { kind: 'failed', reason: 'dial_failed', error }
  } finally {
    unwanted.removeEventListener('abort', giveUp)
  }
  return { kind: 'stream', stream, address: addressOfStream(stream) }
}

/** Makes a decision of a hook's answer. Null: it leaves the choice to the config. */
const decide = (
  answer: ConnectTargetAnswer,
  unwanted: AbortSignal,
): RouteDecision | Promise<RouteDecision> | null => {
  if (answer === null || answer === undefined) return null
  if (answer instanceof Duplex) {
    // Too late: whatever it is, it is not to be waited for.
    if (unwanted.aborted) answer.destroy()
    return decideStream(answer, unwanted)
  }
  if (typeof answer === 'string' || (!Array.isArray(answer) && isAddress(answer)))
    return { kind: 'endpoints', endpoints: [toAddress(answer)] }
  if (Array.isArray(answer)) {
    const [first, ...rest] = answer.map(toAddress)
    if (first !== undefined) return { kind: 'endpoints', endpoints: [first, ...rest] }
  }
  throw new TypeError(
    'connectTarget must return an address, a list of addresses, a Duplex, null or undefined',
  )
}

/** Asks the hook, and falls back to `configured` where it has no opinion. */
export const routeByHook = (
  hook: ConnectTarget,
  client: ConnectionIdentity,
  configured: RouteDecision,
  unwanted: AbortSignal,
): RouteDecision | Promise<RouteDecision> => {
  const answer = hook(client)
  if (isPromise(answer)) return Promise.resolve(answer).then((later) => decide(later, unwanted) ?? configured)
  return decide(answer, unwanted) ?? configured
}

type Transform = NonNullable<LinkWatch['transform']>

/** `inspect` as the engine knows it: bytes in, bytes or nothing out. */
export const transformByHook = (
  hook: Inspect,
  connection: LinkedConnection,
  link: () => Link | null,
): Transform => {
  const contexts = {
    upstream: { connection, direction: 'upstream' },
    downstream: { connection, direction: 'downstream' },
  } as const
  const obey = (chunk: Uint8Array, answer: InspectAnswer): Uint8Array | null => {
    if (answer === undefined || answer === 'pass') return chunk
    if (answer === 'drop') return null
    if (answer instanceof Uint8Array) return answer
    if (answer !== 'terminate')
      throw new TypeError("inspect must return undefined, 'pass', 'drop', 'terminate' or bytes")
    link()?.destroy('denied')
    return null
  }
  return (chunk, direction) => {
    const answer = hook(chunk, contexts[direction])
    if (!isPromise(answer)) return obey(chunk, answer)
    return Promise.resolve(answer).then((later) => obey(chunk, later))
  }
}
