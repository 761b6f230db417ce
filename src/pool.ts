/**
 * Pools as a library: connections that are ready, and never too many.
 *
 * @example
 * import { ConnectionPool } from 'tidegate/pool'
 *
 * const pool = new ConnectionPool({ address: '127.0.0.1:6379', min: 1, max: 5 })
 * await pool.use(async (socket) => { … })
 * await pool.drain()
 */

export {
  type Address,
  formatAddress,
  parseAddress,
  type TcpAddress,
  type UnixAddress,
} from './core/address.js'
export type { Cancel, Clock } from './core/pool/clock.js'
export type { IdlePoolCounters } from './core/pool/counters.js'
export type { CloseCause } from './core/pool/idle-pool.js'
export type { GetOptions, Lease, Resource, ResourceFunctions } from './core/pool/resource.js'
export type { ResourcePoolMetrics } from './core/pool/resource-pool.js'
export type { WaitOptions } from './core/pool/waiter.js'
export { type ErrorCode, type ErrorDetails, type Fault, TidegateError } from './errors.js'
export { ConnectionPool, type ConnectionPoolEvents, type PooledConnection } from './pools/connection-pool.js'
export {
  type DialContext,
  type Dialer,
  type TcpDialerOptions,
  tcpDialer,
  tlsDialer,
} from './pools/dialers.js'
export type { ConnectionPoolLimits, ConnectionPoolOptions } from './pools/options.js'
export { ResourcePool, type ResourcePoolOptions } from './pools/resource-pool.js'
