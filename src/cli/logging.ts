/** The log of a running gateway, on stderr: JSON lines for programs, pretty lines for people. */

import colors from 'picocolors'
import { pino } from 'pino'
import { build, type PrettyOptions } from 'pino-pretty'
import type { LogConfig } from '../config/config.js'
import { CLOSED_MESSAGE, type ClosedFields } from '../control/connection-log.js'
import type { Logger } from '../ports/logger.js'
import { humanBytes, humanDuration } from './human.js'

const STDERR = 2

/** What is kept of a log that cannot be written, until it can; the rest is left out. */
const MAX_UNWRITTEN_CHARACTERS = 1024 * 1024

/** Who → where, how long, how much each way, why. */
export const closedLine = ({
  id,
  listener,
  client,
  upstream,
  durationMs,
  bytes,
  reason,
  error,
}: ClosedFields): string => {
  const route = upstream === null ? client : `${client} → ${upstream}`
  const figures = `${humanDuration(durationMs)}  ↑ ${humanBytes(bytes.upstream)}  ↓ ${humanBytes(bytes.downstream)}`
  const why = error === undefined ? reason : `${reason}: ${error}`
  return `${colors.dim(`#${id}`)} ${listener}  ${route}  ${figures}  ${colors.bold(why)}`
}

const HEADER_FIELDS: ReadonlySet<string> = new Set(['level', 'time', 'pid', 'hostname', 'msg'])

export const otherLine = (fields: Readonly<Record<string, unknown>>): string => {
  const rest = Object.entries(fields)
    .filter(([name]) => !HEADER_FIELDS.has(name))
    .map(
      ([name, value]) =>
        `${colors.dim(`${name}=`)}${typeof value === 'string' ? value : JSON.stringify(value)}`,
    )
  return [String(fields.msg ?? ''), ...rest].join('  ')
}

const isClosed = (fields: Readonly<Record<string, unknown>>): boolean => fields.msg === CLOSED_MESSAGE

const prettyOptions = (): PrettyOptions => ({
  destination: STDERR,
  sync: true,
  colorize: colors.isColorSupported,
  // The line colours itself.
  customColors: 'debug:blue,info:green,warn:yellow,error:red,message:reset',
  translateTime: 'SYS:HH:MM:ss.l',
  hideObject: true,
  ignore: 'pid,hostname',
  // What is logged under CLOSED_MESSAGE are ClosedFields: connection-log.ts is their only writer.
  messageFormat: (fields) =>
    isClosed(fields) ? closedLine(fields as unknown as ClosedFields) : otherLine(fields),
})

/** Whether the log is for people, so that other lines for people may stand in it. */
export const isForPeople = ({ format }: LogConfig): boolean =>
  format === 'pretty' || (format === 'auto' && process.stderr.isTTY)

export const createLogger = (config: LogConfig): Logger => {
  const options = { level: config.level, base: null, timestamp: pino.stdTimeFunctions.isoTime }
  if (isForPeople(config)) return pino(options, build(prettyOptions()))
  const destination = pino.destination({ dest: STDERR, sync: true, maxLength: MAX_UNWRITTEN_CHARACTERS })
  // A log that cannot be written (redirected to a full disk) must not end the gateway; pino sees to closed pipes alone.
  destination.on('error', () => {})
  return pino({ ...options, formatters: { level: (label) => ({ level: label }) } }, destination)
}
