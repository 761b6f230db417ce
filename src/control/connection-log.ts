/** The one log line that each connection leaves: who, where to, how long, how much, why it ended. */

import { formatAddress } from '../core/address.js'
import type { CloseReason } from '../core/close-reason.js'
import type { ConnectionRecord } from '../core/session/record.js'
import { messageOf } from '../errors.js'
import type { Logger } from '../ports/logger.js'

/** Ends that someone should look at; the rest is the normal course of things. */
const TROUBLE: ReadonlySet<CloseReason> = new Set([
  'dial_failed',
  'dial_timeout',
  'no_endpoint',
  'wake_failed',
  'error',
])

export const isTrouble = ({ reason }: ConnectionRecord): boolean => TROUBLE.has(reason)

export const CLOSED_MESSAGE = 'connection closed'

const round = (ms: number): number => Math.round(ms * 1000) / 1000

/** The fields of the line, as they stand in JSON. */
export const closedFields = (record: ConnectionRecord) => ({
  id: record.id,
  listener: record.listener,
  client: formatAddress(record.client),
  upstream: record.upstream === null ? null : formatAddress(record.upstream),
  durationMs: round(record.times.total),
  ...(record.times.queued === null ? {} : { queuedMs: round(record.times.queued) }),
  ...(record.times.dialled === null ? {} : { dialMs: round(record.times.dialled) }),
  bytes: record.bytes,
  reason: record.reason,
  ...(record.attempts > 1 ? { attempts: record.attempts } : {}),
  ...(record.error === null ? {} : { error: messageOf(record.error) }),
})

export type ClosedFields = ReturnType<typeof closedFields>

export const logClosed = (logger: Logger, record: ConnectionRecord): void => {
  if (isTrouble(record)) logger.warn(closedFields(record), CLOSED_MESSAGE)
  else if (logger.isLevelEnabled?.('info') !== false) logger.info(closedFields(record), CLOSED_MESSAGE)
}
