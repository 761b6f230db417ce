/** Which connections `tail` shows. */

import { parseAddress } from '../../core/address.js'
import type { ConnectionSummary } from '../../core/inspect/connections.js'
import { compileAccessRules } from '../../core/route/cidr.js'

export interface TailFilter {
  /** CIDR. */
  readonly client?: string
  readonly listener?: string
  /** Bytes relayed both ways together. */
  readonly minBytes?: number
  /** `fin`, `reset` or a close reason. */
  readonly reason?: string
}

/** What is known of a connection from its beginning on. */
type Beginning = Pick<ConnectionSummary, 'client' | 'listener'>

/** What was relayed in a direction, whether it was stored or not. */
export const relayedBytes = (summary: ConnectionSummary, direction: 'upstream' | 'downstream'): number => {
  const { end, stored, missing, cut, extent } = summary
  if (end.state === 'closed' && end.annotation !== null) return end.annotation[direction].seen
  return extent[direction].from + stored[direction] + missing[direction] + cut[direction]
}

/** The gateway's reason; for recordings without one how the packets ended. */
export const reasonOf = ({ end }: ConnectionSummary): string =>
  end.state === 'open' ? 'open' : (end.annotation?.reason ?? end.how)

const clientRule = (cidr: string | undefined): ((client: string) => boolean) => {
  if (cidr === undefined) return () => true
  const admits = compileAccessRules({ allow: [cidr], deny: [] })
  return (client) => {
    try {
      return admits(parseAddress(client))
    } catch {
      return false
    }
  }
}

export interface CompiledFilter {
  admitsOpen(open: Beginning): boolean
  admits(summary: ConnectionSummary): boolean
}

/** @throws TidegateError `value_invalid` for a CIDR that is none. */
export const compileFilter = ({ client, listener, minBytes = 0, reason }: TailFilter): CompiledFilter => {
  const admitsClient = clientRule(client)
  const admitsOpen = (open: Beginning): boolean =>
    (listener === undefined || open.listener === listener) && admitsClient(open.client)
  return {
    admitsOpen,
    admits: (summary) =>
      admitsOpen(summary) &&
      relayedBytes(summary, 'upstream') + relayedBytes(summary, 'downstream') >= minBytes &&
      (reason === undefined || reasonOf(summary) === reason),
  }
}
