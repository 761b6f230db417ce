/** Asks connectTarget where a client goes, and makes a decision of whatever it answers. */

import { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { type Address, formatAddress, parseAddress } from '../core/address.js'
import type { ConnectionIdentity } from '../core/session/record.js'
import { messageOf, TidegateError } from '../errors.js'
import type { RouteDecision } from '../ports/control.js'
import { type ConnectTarget, type ConnectTargetAnswer, isPromise } from './hooks.js'

/** A hook in plain JavaScript may call anything an address; only what `parseAddress` reads is one. */
const textOf = (target: Address): string => {
  if (target.kind === 'unix') return `unix:${target.path}`
  return typeof target.host === 'string' ? formatAddress(target) : JSON.stringify(target)
}

const toAddress = (target: string | Address): Address =>
  parseAddress(typeof target === 'string' ? target : textOf(target))

const isAddress = (answer: unknown): answer is Address =>
  typeof answer === 'object' && answer !== null && 'kind' in answer

/** Each stream carries one client; the same one for two would carry the bytes of both. */
const given = new WeakSet<Duplex>()

/** A stream that carries anything but bytes would give strings to whoever reads along, and bound no memory. */
const refusalOf = (stream: Duplex): string | null => {
  if (stream.readableObjectMode || stream.writableObjectMode)
    return 'a stream in object mode carries no bytes'
  if (stream.readableEncoding !== null) return 'a stream with an encoding carries text, not bytes'
  if (given.has(stream)) return 'a stream can be given to one client only'
  return null
}

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
  const refusal = refusalOf(stream)
  if (refusal !== null) throw new TypeError(`connectTarget: ${refusal}`)
  given.add(stream)
  const giveUp = (): void => void stream.destroy()
  unwanted.addEventListener('abort', giveUp, { once: true })
  try {
    await ready(stream)
  } catch (cause) {
    stream.destroy()
    const error = new TidegateError('dial_failed', `the hook's own socket failed: ${messageOf(cause)}`, {
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
  unwanted: () => AbortSignal,
): RouteDecision | Promise<RouteDecision> | null => {
  if (answer === null || answer === undefined) return null
  if (answer instanceof Duplex) {
    // Too late: whatever it is, it is not to be waited for.
    if (unwanted().aborted) answer.destroy()
    return decideStream(answer, unwanted())
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
  unwanted: () => AbortSignal,
): RouteDecision | Promise<RouteDecision> => {
  const answer = hook(client)
  if (isPromise(answer)) return Promise.resolve(answer).then((later) => decide(later, unwanted) ?? configured)
  return decide(answer, unwanted) ?? configured
}
