/** From what the schema made of an upstream to an {@link UpstreamConfig}: every default that depends on another value. */

import { type Address, formatAddress } from '../core/address.js'
import type {
  CheckConfig,
  EndpointConfig,
  PassiveHealthConfig,
  PoolConfig,
  UpstreamConfig,
} from './config.js'
import * as defaults from './defaults.js'
import type { PlacedReaders } from './paths.js'
import { isAddressText } from './references.js'
import type { CheckedInput } from './schema.js'
import { type CheckedSettings, DEFAULT_SETTINGS } from './upstream-schema.js'
import { wakeOf } from './wake.js'

type CheckedUpstream = CheckedInput['upstreams'][string]
type CheckedEndpoint = NonNullable<Exclude<CheckedUpstream, Address>['endpoints']>[number]

const endpointOf = (endpoint: CheckedEndpoint): EndpointConfig =>
  'address' in endpoint ? endpoint : { address: endpoint, weight: defaults.DEFAULT_WEIGHT, backup: false }

const passiveHealthOf = ({
  failures,
  backoff,
  maxBackoff = Math.max(defaults.DEFAULT_MAX_BACKOFF_MS, backoff),
}: CheckedSettings['passiveHealth']): PassiveHealthConfig => ({
  failures,
  backoffMs: backoff,
  maxBackoffMs: maxBackoff,
})

const checkOf = ({
  interval,
  timeout = Math.min(defaults.DEFAULT_CHECK_TIMEOUT_MS, interval),
  rise,
  fall,
  send,
  expect,
}: NonNullable<CheckedSettings['check']>): CheckConfig => ({
  intervalMs: interval,
  timeoutMs: timeout,
  rise,
  fall,
  send: send ?? null,
  expect: expect ?? null,
})

/** Fits whatever `max` and `maxConnections` are: both are at least 1 if they limit anything. */
const defaultMin = (mode: PoolConfig['mode']): number =>
  mode === 'prewarm' ? defaults.DEFAULT_PREWARM_MIN : defaults.DEFAULT_REUSE_MIN

const poolOf = (pool: CheckedSettings['pool'], maxConnections: number): PoolConfig => {
  const ceiling = maxConnections === 0 ? Number.POSITIVE_INFINITY : maxConnections
  const { mode, min = defaultMin(mode), idleTimeout, maxAge, maxUses, reset, stateless, quiet } = pool
  return {
    mode,
    min,
    max: pool.max ?? Math.min(Math.max(defaults.DEFAULT_POOL_MAX, min), ceiling),
    idleTimeoutMs: idleTimeout,
    maxAgeMs: maxAge,
    maxUses,
    reset: reset === undefined ? null : { send: reset.send, expect: reset.expect, timeoutMs: reset.timeout },
    stateless,
    quietMs: quiet,
  }
}

const settingsOf = (checked: CheckedSettings): Omit<UpstreamConfig, 'name' | 'endpoints'> => ({
  balance: checked.balance,
  maxConnections: checked.maxConnections,
  queueTimeoutMs: checked.queueTimeout,
  maxQueue: checked.maxQueue,
  resolveIntervalMs: checked.resolveInterval,
  passiveHealth: passiveHealthOf(checked.passiveHealth),
  check: checked.check === undefined ? null : checkOf(checked.check),
  onDown: checked.onDown,
  pool: poolOf(checked.pool, checked.maxConnections),
  sendProxyProtocol: checked.sendProxyProtocol ?? null,
  wake: checked.wake === undefined ? null : wakeOf(checked.wake),
})

/** Where there is only a command, it is its own endpoint: what logs and recordings call the other side. */
const commandEndpoints = ({ wake }: CheckedSettings): readonly EndpointConfig[] => {
  const path = wake?.exec?.[0]
  return path === undefined ? [] : [endpointOf({ kind: 'unix', path })]
}

/** A process per client is never unlimited. */
const limited = (settings: CheckedSettings): CheckedSettings =>
  settings.wake?.mode === 'inetd' && settings.maxConnections === 0
    ? { ...settings, maxConnections: defaults.DEFAULT_INETD_MAX_CONNECTIONS }
    : settings

/** The key of what a listener names: an upstream's name, or an address in its one spelling. */
export const keyOf = (upstream: string, read: PlacedReaders): string =>
  isAddressText(upstream) ? formatAddress(read.endpoint(upstream)) : upstream

export const upstreamsOf = (checked: CheckedInput, read: PlacedReaders): Record<string, UpstreamConfig> => {
  const upstreams: Record<string, UpstreamConfig> = Object.create(null)
  const add = (
    name: string,
    [first, ...rest]: readonly EndpointConfig[],
    settings: CheckedSettings,
  ): void => {
    if (first !== undefined) upstreams[name] = { name, endpoints: [first, ...rest], ...settingsOf(settings) }
  }
  for (const [name, upstream] of Object.entries(checked.upstreams)) {
    if ('kind' in upstream) add(name, [endpointOf(upstream)], DEFAULT_SETTINGS)
    else add(name, upstream.endpoints?.map(endpointOf) ?? commandEndpoints(upstream), limited(upstream))
  }
  for (const { upstream } of checked.listeners)
    if (upstream !== undefined && isAddressText(upstream))
      add(keyOf(upstream, read), [endpointOf(read.endpoint(upstream))], DEFAULT_SETTINGS)
  return upstreams
}
