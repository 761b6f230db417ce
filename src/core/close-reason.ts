/**
 * Why a connection ended. Each has exactly one reason, the first that applied (like HAProxy's termination state).
 */
export const CLOSE_REASONS = {
  client_fin: 'the client ended first, and both directions were finished',
  upstream_fin: 'the upstream ended first, and both directions were finished',
  client_reset: 'the client reset the connection, or went away before there was an upstream',
  upstream_reset: 'the upstream reset the connection',
  idle_timeout: 'no byte moved in either direction for the idle timeout',
  half_close_timeout: 'one side had ended and the other moved no byte for the half-close timeout',
  dial_failed: 'no upstream endpoint could be reached',
  dial_timeout: 'no upstream endpoint answered within the connect timeout',
  no_endpoint: 'no endpoint of the upstream is up',
  endpoint_down: 'the endpoint was found to be down, and its connections are cut then',
  queue_timeout: 'the client waited too long for its turn',
  queue_full: 'too many clients were waiting already',
  wake_failed: 'the service could not be started',
  service_exited: 'the service has ended, unasked, while the connection was open',
  denied: 'a guard or an inspect hook refused it',
  proxy_protocol: 'it had to begin with a PROXY protocol header, and did not send a valid one in time',
  limit: 'the listener was at its maximum of connections',
  drained: 'the gateway closed and the drain timeout was over',
  killed: 'it was ended by hand',
  error: 'a hook threw, or something unexpected failed; the log has the detail',
} as const satisfies Record<string, string>

export type CloseReason = keyof typeof CLOSE_REASONS

export const isCloseReason = (text: string): text is CloseReason => Object.hasOwn(CLOSE_REASONS, text)
