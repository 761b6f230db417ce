/** Opens the recording that a config asks for. */

import { rm } from 'node:fs/promises'
import type { GatewayConfig, RecordConfig, RecordPlace } from '../config/config.js'
import { safeUrl } from '../core/safe-url.js'
import { TidegateError } from '../errors.js'
import type { Logger } from '../ports/logger.js'
import type { Sink } from '../ports/sink.js'
import type { StoreHost } from '../ports/store.js'
import { openFileSink } from '../sinks/file/file-sink.js'
import { openSpoolDir, type SpoolDir } from '../sinks/spool/spool-dir.js'
import type { OpenedStore, Recording } from './recording/recording.js'
import { startSeat } from './recording/seat-recording.js'
import { newFigures, openRecordingSite, type RecordingSite } from './recording/site.js'
import { type OwnDelivery, startOwnDelivery } from './recording/spool.js'
import { describeRoute } from './settings.js'
import { VERSION } from './version.js'

export interface OpenedRecording {
  readonly site: RecordingSite
  /** The main thread's part in it. */
  readonly here: Recording
  /** The file that was not there before; null when an existing one is continued. */
  readonly createdFile: string | null
}

/** Where a recording goes, made ready. */
interface OpenedPlace {
  readonly store: OpenedStore
  readonly createdFile: string | null
}

const openFilePlace = async (file: string, logger: Logger): Promise<OpenedPlace> => {
  const sink = await openFileSink(file)
  if (sink.repairedBytes > 0)
    logger.warn(
      { file, cutBytes: sink.repairedBytes },
      'the recording ended in a torn block, which was cut off',
    )
  logger.info({ file, ...(sink.appended ? { continued: true } : {}) }, 'recording')
  const store = {
    where: file,
    spec: { kind: 'file', target: sink.target },
    close: () => sink.close(),
  } as const
  return { store, createdFile: sink.created ? file : null }
}

const openSinkPlace = async (
  { url, spool }: Extract<RecordPlace, { kind: 'sink' }>,
  { minFreeBytes, sync, syncIntervalMs }: RecordConfig,
  logger: Logger,
  ownSink: Sink | undefined,
): Promise<OpenedPlace> => {
  const where = ownSink?.where ?? safeUrl(url ?? '')
  const dir = await openSpoolDir(spool.dir)
  const figures = newFigures()
  const own = ownSink === undefined ? null : await startOwn(ownSink, dir, { where, figures, logger })
  logger.info({ where, spool: spool.dir }, 'recording')
  return {
    createdFile: null,
    store: {
      where,
      figures,
      spec: {
        kind: 'spool',
        dir: dir.dir,
        left: dir.left,
        next: dir.next,
        maxBytes: spool.bytes,
        minFreeBytes,
        sync,
        syncIntervalMs,
        sink: own === null ? { kind: 'url', url: url ?? '' } : { kind: 'port', port: own.port },
      },
      close: async (timeoutMs) => {
        await own?.close(timeoutMs)
        dir.release()
      },
    },
  }
}

const startOwn = async (
  sink: Sink,
  dir: SpoolDir,
  {
    where,
    figures,
    logger,
  }: { readonly where: string; readonly figures: Float64Array; readonly logger: Logger },
): Promise<OwnDelivery> => {
  try {
    const log: StoreHost['log'] = (level, fields, message) => logger[level]({ where, ...fields }, message)
    return await startOwnDelivery(sink, dir, { figures, log })
  } catch (thrown) {
    dir.release()
    throw thrown
  }
}

const openPlace = (record: RecordConfig, logger: Logger, ownSink: Sink | undefined): Promise<OpenedPlace> => {
  const { place } = record
  switch (place.kind) {
    case 'file':
      return openFilePlace(place.path, logger)
    case 'files':
      throw new Error('a recording to several files cannot be opened yet')
    case 'sink':
      return openSinkPlace(place, record, logger, ownSink)
  }
}

/** @throws TidegateError `value_invalid`: there is a sink, and nothing is recorded to it. */
const checkSinkIsUsed = ({ record }: GatewayConfig, sink: Sink | undefined): void => {
  if (sink === undefined || (record?.place.kind === 'sink' && record.place.url === null)) return
  throw new TidegateError(
    'value_invalid',
    'sink: given, but the config records nothing to it; expected a record section with a spool, and neither file nor to',
    { fault: 'usage', where: 'sink' },
  )
}

/**
 * `planes`: how many take part. `ownSink`: takes what is recorded, if the config names no place for it.
 * @throws TidegateError (rejects) `file_unwritable` and the like; nothing is left then.
 */
export const openRecording = async (
  config: GatewayConfig,
  planes: number,
  logger: Logger,
  ownSink?: Sink,
): Promise<OpenedRecording | null> => {
  checkSinkIsUsed(config, ownSink)
  if (config.record === null) return null
  const { overload, onFailure, bufferBytes } = config.record
  const { store, createdFile } = await openPlace(config.record, logger, ownSink)
  const listeners = config.listeners
    .filter(({ record }) => record !== null)
    .map((listener) => ({
      name: listener.name,
      description: describeRoute(config, listener),
    }))
  const site = await openRecordingSite({
    store,
    overload,
    onFailure,
    maxBufferedBytes: bufferBytes,
    planes,
    listeners,
    application: `tidegate ${VERSION}`,
    logger,
  }).catch(async (thrown: unknown) => {
    if (createdFile !== null) await rm(createdFile, { force: true })
    throw thrown
  })
  return { site, here: startSeat(site.seat(0)), createdFile }
}
