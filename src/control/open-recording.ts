/** Opens the recording that a config asks for. */

import { rm } from 'node:fs/promises'
import type { GatewayConfig, RecordConfig } from '../config/config.js'
import type { Logger } from '../ports/logger.js'
import type { Sink } from '../ports/sink.js'
import { type OpenedPlace, openFilePlace, openFilesPlace, writerOptions } from './open-files.js'
import { checkSinkIsUsed, openSinkStore } from './recording/open-sink-store.js'
import type { Recording } from './recording/recording.js'
import { startSeat } from './recording/seat-recording.js'
import { openRecordingSite, type RecordingSite } from './recording/site.js'
import { describeRoute } from './settings.js'
import { VERSION } from './version.js'

export interface OpenedRecording {
  readonly site: RecordingSite
  /** The main thread's part in it. */
  readonly here: Recording
  /** The file that was not there before; null when an existing one is continued. */
  readonly createdFile: string | null
}

const openPlace = async (
  record: RecordConfig,
  logger: Logger,
  ownSink: Sink | undefined,
): Promise<OpenedPlace> => {
  const { place } = record
  switch (place.kind) {
    case 'file':
      return openFilePlace(place.path, record, logger)
    case 'files':
      return openFilesPlace(place, record, logger)
    case 'sink':
      return { store: await openSinkStore(place, writerOptions(record), logger, ownSink), createdFile: null }
  }
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
