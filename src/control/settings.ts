/** From the config's words to what a plane takes. */

import { isDeepStrictEqual } from 'node:util'
import type { GatewayConfig, ListenerConfig } from '../config/config.js'
import { formatAddress } from '../core/address.js'
import { TidegateError } from '../errors.js'
import type { RouteDecision } from '../ports/control.js'
import type { ListenerSettings, ProxySettings } from './plane.js'

const proxySettings = ({ proxyProtocol, proxyFrom, proxyTimeoutMs }: ListenerConfig): ProxySettings | null =>
  proxyProtocol === 'off' ? null : { mode: proxyProtocol, from: proxyFrom, timeoutMs: proxyTimeoutMs }

export const listenerSettings = (listener: ListenerConfig): ListenerSettings => {
  const socket = { noDelay: listener.noDelay, keepAliveMs: listener.keepAliveMs }
  return {
    name: listener.name,
    spec: { address: listener.listen, backlog: listener.backlog, ipv6Only: listener.ipv6Only, ...socket },
    admission: {
      access: { allow: listener.allow, deny: listener.deny },
      maxConnections: listener.maxConnections,
      overflow: listener.overflow,
    },
    proxy: proxySettings(listener),
    dial: { timeoutMs: listener.timeouts.connectMs, ...socket },
    link: {
      idleTimeoutMs: listener.timeouts.idleMs,
      halfCloseTimeoutMs: listener.timeouts.halfCloseMs,
      bufferBytes: listener.bufferBytes,
    },
  }
}

/** Whether a reload has to open the socket anew. */
export const needsNewSocket = (before: ListenerSettings, after: ListenerSettings): boolean =>
  !isDeepStrictEqual(before.spec, after.spec)

/** The same for people: what an interface of the recording says of its listener. */
export const describeRoute = (config: GatewayConfig, listener: ListenerConfig): string => {
  const upstream = listener.upstream === null ? undefined : config.upstreams[listener.upstream]
  if (upstream === undefined) return 'to where a hook says'
  return `to ${upstream.endpoints.map(({ address }) => formatAddress(address)).join(', ')}`
}

/** Where the config sends a listener's clients. */
export const configuredRoute = (config: GatewayConfig, listener: ListenerConfig): RouteDecision => {
  if (listener.upstream !== null && config.upstreams[listener.upstream] !== undefined)
    return { kind: 'upstream', upstream: listener.upstream }
  const error = new TidegateError(
    'hook_failed',
    `connectTarget chose no upstream for a client of '${listener.name}', which has none configured`,
    { fault: 'hook' },
  )
  return { kind: 'failed', reason: 'error', error }
}
