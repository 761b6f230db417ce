/**
 * A gateway in the foreground. SIGTERM or SIGINT drains and exits 0; a second one exits at once (with 128 + its
 * number, as shells have it). SIGHUP reloads where there is something to reload, else it is a closed terminal: as SIGTERM. SIGUSR2
 * prints how it is.
 */

import { constants } from 'node:os'
import type { GatewayConfig, LogConfig } from '../config/config.js'
import { type Gateway, type ManagedGateway, startGateway } from '../control/gateway.js'
import type { RecordingCounters } from '../control/recording/recording.js'
import { messageOf } from '../errors.js'
import type { Logger } from '../ports/logger.js'
import { failureText } from './failure.js'
import { createLogger, isForPeople } from './logging.js'
import { statusText, upstreamFields } from './status.js'
import { coloursFor } from './table.js'

type StopSignal = 'SIGTERM' | 'SIGINT' | 'SIGHUP'

export interface RunOptions {
  /** What SIGHUP does; without it SIGHUP stops the gateway. */
  readonly reload?: (gateway: ManagedGateway) => Promise<void>
  /** What is said last, of what was recorded. */
  readonly conclude?: (recording: RecordingCounters) => string
}

/** A signal that comes while the gateway starts is obeyed once it has; that it could not start, others tell. */
const stopSignal = (
  starting: Promise<ManagedGateway>,
  logger: Logger,
  signals: readonly StopSignal[],
): Promise<void> =>
  new Promise((resolve, reject) => {
    let stopping = false
    const close = (gateway: ManagedGateway, signal: StopSignal): void => {
      const open = gateway.connections().length
      if (open === 0) logger.info({ signal }, 'closing')
      else
        logger.info(
          { signal, open, drainTimeoutMs: gateway.drainTimeoutMs },
          'draining; again to exit at once',
        )
      gateway.close().then(resolve, reject)
    }
    const stop = (signal: StopSignal): void => {
      if (stopping) process.exit(128 + constants.signals[signal])
      stopping = true
      starting.then(
        (gateway) => close(gateway, signal),
        () => {},
      )
    }
    for (const signal of signals) process.on(signal, stop)
  })

const reloadOnHangup = (
  starting: Promise<ManagedGateway>,
  logger: Logger,
  reload: NonNullable<RunOptions['reload']>,
): void => {
  const reloadStarted = (gateway: ManagedGateway): void => {
    reload(gateway).catch((thrown: unknown) =>
      logger.error({ error: messageOf(thrown) }, 'not reloaded: the gateway runs on as it was'),
    )
  }
  process.on('SIGHUP', () => starting.then(reloadStarted, () => {}))
}

/** Windows has no such signal. */
const tellOnRequest = (starting: Promise<ManagedGateway>): void => {
  if (process.platform === 'win32') return
  const tell = (gateway: ManagedGateway): void => {
    process.stderr.write(statusText(gateway, coloursFor(process.stderr)))
  }
  process.on('SIGUSR2', () => starting.then(tell, () => {}))
}

/** What a person wants to know of a recording that has ended; the rest is in the library's counters. */
const recordingFields = ({ storedBytes, lostBytes, cutBytes, unclosed }: RecordingCounters) => ({
  recordedBytes: storedBytes,
  lostBytes,
  ...(cutBytes === 0 ? {} : { cutBytes }),
  ...(unclosed === 0 ? {} : { unclosed }),
})

/** To a person the summary is the command's answer, whatever level the log has; where the log is JSON it is one of its lines. */
const tellLast = (text: string, log: LogConfig, logger: Logger): void => {
  if (isForPeople(log)) process.stderr.write(failureText(text))
  else logger.info({}, text)
}

const summarise = (gateway: Gateway, log: LogConfig, logger: Logger, { conclude }: RunOptions): void => {
  const { listeners, upstreams, recording } = gateway.counters()
  const connections = Object.values(listeners).reduce((sum, { accepted }) => sum + accepted, 0)
  logger.info(
    {
      connections,
      ...(recording === null ? {} : recordingFields(recording)),
      ...upstreamFields(upstreams),
    },
    'closed',
  )
  if (recording !== null && conclude !== undefined) tellLast(conclude(recording), log, logger)
}

/** Resolves when the gateway was asked to stop and has closed. @throws what `startGateway` throws. */
export const runGateway = async (config: GatewayConfig, options: RunOptions = {}): Promise<void> => {
  const logger = createLogger(config.log)
  const { reload } = options
  const signals: readonly StopSignal[] = ['SIGTERM', 'SIGINT', ...(reload ? [] : (['SIGHUP'] as const))]
  const starting = startGateway(config, { logger })
  // Before it has started: who reads that it listens may send a signal at once.
  const stopped = stopSignal(starting, logger, signals)
  tellOnRequest(starting)
  if (reload) reloadOnHangup(starting, logger, reload)
  const gateway = await starting
  await stopped
  summarise(gateway, config.log, logger, options)
}
