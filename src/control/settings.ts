/** From the config's words to what a plane takes. */

import { isDeepStrictEqual } from 'node:util'
import type { GatewayConfig, ListenerConfig } from '../config/config.js'
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

/** Where the config sends a listener's clients. */
export const configuredRoute = (config: GatewayConfig, listener: ListenerConfig): RouteDecision => {
  const upstream = listener.upstream === null ? undefined : config.upstreams[listener.upstream]
  if (upstream !== undefined) {
    const [first, ...rest] = upstream.endpoints
    return { kind: 'endpoints', endpoints: [first.address, ...rest.map(({ address }) => address)] }
  }
  const error = new TidegateError(
    'hook_failed',
    `connectTarget chose no upstream for a client of '${listener.name}', which has none configured`,
    { fault: 'hook' },
  )
  return { kind: 'failed', reason: 'error', error }
}
