/**
 * Hooks: the caller's own code on the way of a connection.
 *
 * - connectTarget decides where a client is connected
 * - inspect sees each chunk and may change, drop or refuse it
 * - observers only watch
 *
 * A hook that throws or rejects ends that one connection with reason `error`, is logged, and does nothing else.
 */

import type { Duplex } from 'node:stream'
import type { Address } from '../core/address.js'
import type { Direction } from '../core/direction.js'
import type { ConnectionIdentity, ConnectionRecord } from '../core/session/record.js'
import { messageOf, TidegateError } from '../errors.js'
import type { Activator } from '../ports/activator.js'
import type { LinkedConnection, LinkWatch } from '../ports/control.js'
import type { Link } from '../ports/engine.js'
import type { Logger } from '../ports/logger.js'
import type { ResourceGroup, ResourceOptions } from '../ports/resource-group.js'
import type { Sink } from '../ports/sink.js'
import { checkGroups } from './open-groups.js'
import type { Lookup } from './upstreams/resolver.js'

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

/** The caller's own code, and where the gateway's log goes. All optional. */
export interface GatewayOptions {
  readonly connectTarget?: ConnectTarget
  readonly inspect?: Inspect
  readonly observers?: readonly ConnectionObserver[]
  /** Default: silent. A pino logger fits. */
  readonly logger?: Logger
  /** Looks up the names of upstreams' endpoints. Default: the system's own way. */
  readonly lookup?: Lookup
  /** Start and stop the services of upstreams whose `wake` says neither `exec` nor `command`, by the upstream's name. */
  readonly activators?: Readonly<Record<string, Activator>>
  /**
   * Takes what connections say, of all listeners that `resourceGroups` does not name. Null: nobody does yet, but `updateResourceGroup`
   * may say who. See `tidegate/record`.
   */
  readonly resourceGroup?: ResourceGroup | null
  /** Likewise, by listener. */
  readonly resourceGroups?: Readonly<Record<string, ResourceGroup>>
  /** How it reaches them. */
  readonly resourceOptions?: ResourceOptions
  /**
   * Takes what is recorded, in place of a file or database: for a config whose `record` has a `spool`, and neither `file` nor `to`. It is
   * called on this thread, and closed with the gateway.
   */
  readonly sink?: Sink
}

const OPTION_NAMES = [
  'connectTarget',
  'inspect',
  'observers',
  'logger',
  'lookup',
  'activators',
  'resourceGroup',
  'resourceGroups',
  'resourceOptions',
  'sink',
] as const satisfies (keyof GatewayOptions)[]

const invalid = (name: string, expected: string): TidegateError =>
  new TidegateError('value_invalid', `${name}: expected ${expected}`, { fault: 'usage', where: name })

const checkActivators = (activators: unknown): void => {
  const expected = 'a mapping of upstream names to activators: { label, start(events) }'
  if (typeof activators !== 'object' || activators === null) throw invalid('activators', expected)
  for (const [name, activator] of Object.entries(activators))
    if (typeof activator?.start !== 'function') throw invalid(`activators.${name}`, expected)
}

const checkSink = (sink: Partial<Sink> | null): void => {
  const expected = 'a sink: { where, open(), write(batch, signal), close() }'
  if (typeof sink !== 'object' || sink === null || typeof sink.where !== 'string')
    throw invalid('sink', expected)
  for (const method of ['open', 'write', 'close'] as const)
    if (typeof sink[method] !== 'function') throw invalid(`sink.${method}`, expected)
}

/** For callers without types. @throws TidegateError `value_invalid`, before anything has been opened. */
export const checkOptions = (options: GatewayOptions): void => {
  for (const name of Object.keys(options))
    if (!OPTION_NAMES.some((known) => known === name))
      throw invalid(name, `one of ${OPTION_NAMES.join(', ')}: there is no such option`)
  for (const name of ['connectTarget', 'inspect', 'lookup'] as const)
    if (options[name] !== undefined && typeof options[name] !== 'function') throw invalid(name, 'a function')
  const { observers, activators, sink } = options
  if (sink !== undefined) checkSink(sink)
  if (activators !== undefined) checkActivators(activators)
  checkGroups(options)
  if (observers === undefined) return
  if (!Array.isArray(observers)) throw invalid('observers', 'a list of observers')
  for (const observer of observers)
    if (typeof observer !== 'object' || observer === null) throw invalid('observers', 'a list of objects')
}

/** What a connection is ended with when the caller's code threw or rejected. */
export const hookFailed = (thrown: unknown): TidegateError =>
  new TidegateError('hook_failed', `a hook failed: ${messageOf(thrown)}`, { fault: 'hook', cause: thrown })

/** Hooks may bring a promise of another library. */
export const isPromise = <T>(answer: T | PromiseLike<T>): answer is PromiseLike<T> =>
  typeof answer === 'object' && answer !== null && 'then' in answer && typeof answer.then === 'function'

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
