/** What a connection pool can be told, with the defaults and their reasons. */

import type { Duplex } from 'node:stream'
import { type Address, formatAddress, parseAddress } from '../core/address.js'
import type { Clock } from '../core/pool/clock.js'
import { checkWhole } from '../core/pool/errors.js'
import type { IdlePoolOptions } from '../core/pool/idle-options.js'
import type { ResourcePool } from '../core/pool/resource-pool.js'
import { TidegateError } from '../errors.js'
import type { Dialer } from './dialers.js'

/** What most servers are comfortable with from one client program. */
export const DEFAULT_MAX = 10
/** More than that in the queue of one pool is an outage, and the sooner the last ones know the better. */
export const DEFAULT_MAX_WAITING = 1000
/** As long as a client of a gateway waits in a queue. */
export const DEFAULT_ACQUIRE_TIMEOUT_MS = 10_000
/** Two lost SYNs (retried after 1 s and 3 s) still connect. */
export const DEFAULT_CONNECT_TIMEOUT_MS = 5000
/** Below what servers and NAT boxes usually allow a silent connection. */
export const DEFAULT_IDLE_TIMEOUT_MS = 60_000

/** Sizes and times; all can be changed later with `setOptions`. Whole numbers; 0: no limit, but for `min`. */
export interface ConnectionPoolLimits extends Partial<IdlePoolOptions> {
  /** How long `acquire` waits, ms. Default 10 s. */
  readonly acquireTimeoutMs?: number
  /** How long one dial may take, ms. Default 5 s. */
  readonly connectTimeoutMs?: number
}

export interface ConnectionPoolOptions<C extends Duplex> extends ConnectionPoolLimits {
  /** Where to connect: `host:port`, `:port`, `[::1]:port`, `unix:/path`, or one parsed already. */
  readonly address: string | Address
  /** Makes the connections. Default `tcpDialer()`. */
  readonly dial?: Dialer<C>
  /** Every connection takes a slot of this pool, so that several pools together never exceed its maximum. */
  readonly slots?: ResourcePool
  /** Another clock than Node's, for tests: `FakeClock` of `tidegate/testing`. */
  readonly clock?: Clock
}

export interface Limits extends IdlePoolOptions {
  readonly acquireTimeoutMs: number
  readonly connectTimeoutMs: number
}

const DEFAULTS: Limits = {
  min: 0,
  max: DEFAULT_MAX,
  maxWaiting: DEFAULT_MAX_WAITING,
  acquireTimeoutMs: DEFAULT_ACQUIRE_TIMEOUT_MS,
  connectTimeoutMs: DEFAULT_CONNECT_TIMEOUT_MS,
  idleTimeoutMs: DEFAULT_IDLE_TIMEOUT_MS,
  maxAgeMs: 0,
  maxUses: 0,
}

const LIMITS: readonly string[] = Object.keys(DEFAULTS)
const OTHERS: readonly string[] = ['address', 'dial', 'slots', 'clock']

/** @throws TidegateError `value_invalid`, for the ones that a pool of connections itself does not check. */
const checked = (limits: Limits): Limits => {
  checkWhole('acquireTimeoutMs', limits.acquireTimeoutMs)
  checkWhole('connectTimeoutMs', limits.connectTimeoutMs)
  return limits
}

const refuseUnknown = (options: object, known: readonly string[]): void => {
  const unknown = Object.keys(options).find((key) => !known.includes(key))
  if (unknown !== undefined)
    throw new TidegateError('value_invalid', `unknown option '${unknown}' (expected ${known.join(', ')})`, {
      fault: 'usage',
      where: unknown,
    })
}

/** `before`, but for what is given. @throws TidegateError `value_invalid`. */
export const changedLimits = (before: Limits, limits: ConnectionPoolLimits): Limits => {
  refuseUnknown(limits, LIMITS)
  return checked({ ...before, ...defined(limits) })
}

/** @throws TidegateError `value_invalid`, `address_invalid`. */
export const readOptions = <C extends Duplex>(
  options: ConnectionPoolOptions<C>,
): { readonly address: Address; readonly limits: Limits } => {
  refuseUnknown(options, [...OTHERS, ...LIMITS])
  const { address, dial, slots, clock, ...limits } = options
  return {
    // One that was made by hand is read again: it may not be one.
    address: parseAddress(typeof address === 'string' ? address : formatAddress(address)),
    limits: checked({ ...DEFAULTS, ...defined(limits) }),
  }
}

/** `{ max: undefined }` means the default, as for a parameter. */
const defined = (limits: ConnectionPoolLimits): Partial<Limits> =>
  Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined))
