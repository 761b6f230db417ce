/**
 * Tidegate as a library: a gateway inside your own program.
 *
 * @example
 * import { createGateway } from 'tidegate'
 *
 * const gateway = await createGateway({
 *   listeners: [{ name: 'redis', listen: '127.0.0.1:0', upstream: '127.0.0.1:6379' }],
 *   record: { file: 'redis.pcapng' },
 * })
 * console.log(gateway.listeners)
 */

export type { GatewayConfigInput } from './config/config.js'
export { ConfigError, type ConfigProblem } from './config/problems.js'
export {
  createGateway,
  type Gateway,
  type GatewayCounters,
  type GatewayService,
} from './control/gateway.js'
export type {
  ConnectionObserver,
  ConnectTarget,
  ConnectTargetAnswer,
  GatewayOptions,
  Inspect,
  InspectAnswer,
  InspectContext,
} from './control/hooks.js'
export type { GatewayListener } from './control/listener-set.js'
export type { RecordingCounters, SinkCounters } from './control/recording/recording.js'
export type { EndpointStatus, UpstreamStatus } from './control/upstreams/managed-upstream.js'
export type { Lookup } from './control/upstreams/resolver.js'
export type { MemberCounts } from './control/upstreams/upstream-board.js'
export type { ServiceStatus } from './control/wake/service-figures.js'
export {
  type Address,
  formatAddress,
  parseAddress,
  type TcpAddress,
  type UnixAddress,
} from './core/address.js'
export { CLOSE_REASONS, type CloseReason } from './core/close-reason.js'
export { encodeProxyHeader } from './core/codec/proxy-protocol/encode.js'
export {
  MAX_PROXY_HEADER_BYTES,
  type ProxyHeader,
  type ProxyParse,
  type ProxyTlv,
  type ProxyVersion,
} from './core/codec/proxy-protocol/header.js'
export { parseProxyHeader } from './core/codec/proxy-protocol/parse.js'
export type { Direction, PerDirection } from './core/direction.js'
export type { SessionStateName } from './core/session/machine.js'
export type {
  ConnectionCounters,
  ConnectionIdentity,
  ConnectionRecord,
  ConnectionTimes,
  LiveConnection,
} from './core/session/record.js'
export { type ErrorCode, type ErrorDetails, type Fault, TidegateError } from './errors.js'
export type { Activation, ActivationEnd, ActivationEvents, Activator } from './ports/activator.js'
export type { LinkedConnection } from './ports/control.js'
export type { Logger } from './ports/logger.js'
export {
  type CloseRecord,
  type ConnectionKey,
  type DataRecord,
  type FinRecord,
  frameId,
  type GapRecord,
  type OpenRecord,
  type Sink,
  type SinkRecord,
} from './ports/sink.js'
