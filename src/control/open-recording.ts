/** Opens the recording that a config asks for. */

import { rm } from 'node:fs/promises'
import type { GatewayConfig } from '../config/config.js'
import { TidegateError } from '../errors.js'
import type { Logger } from '../ports/logger.js'
import { openFileSink } from '../sinks/file/file-sink.js'
import type { GatewayOptions } from './hooks.js'
import { GroupRecording } from './recording/groups/group-recording.js'
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

/** `planes`: how many take part. @throws TidegateError (rejects) `file_unwritable` and the like; nothing is left then. */
export const openRecording = async (
  config: GatewayConfig,
  planes: number,
  logger: Logger,
): Promise<OpenedRecording | null> => {
  if (config.record === null) return null
  const { place, overload, onFailure, bufferBytes } = config.record
  if (place.kind !== 'file') throw new Error(`a recording to ${place.kind} cannot be opened yet`)
  const { path: file } = place
  const sink = await openFileSink(file)
  if (sink.repairedBytes > 0)
    logger.warn(
      { file, cutBytes: sink.repairedBytes },
      'the recording ended in a torn block, which was cut off',
    )
  logger.info({ file, ...(sink.appended ? { continued: true } : {}) }, 'recording')
  const listeners = config.listeners
    .filter(({ record }) => record !== null)
    .map((listener) => ({
      name: listener.name,
      description: describeRoute(config, listener),
    }))
  const site = await openRecordingSite({
    store: { where: file, spec: { kind: 'file', target: sink.target }, close: () => sink.close() },
    overload,
    onFailure,
    maxBufferedBytes: bufferBytes,
    planes,
    listeners,
    application: `tidegate ${VERSION}`,
    logger,
  }).catch(async (thrown: unknown) => {
    if (sink.created) await rm(file, { force: true })
    throw thrown
  })
  return { site, here: startSeat(site.seat(0)), createdFile: sink.created ? file : null }
}

/** The recording that resource groups get; null without any. @throws TidegateError (rejects) `value_invalid`: no such listener. */
export const openGroups = async (
  config: GatewayConfig,
  { resourceGroup, resourceGroups, resourceOptions }: GatewayOptions,
  planes: number,
  logger: Logger,
): Promise<GroupRecording | null> => {
  if (resourceGroup === undefined && resourceGroups === undefined && resourceOptions === undefined)
    return null
  for (const name of Object.keys(resourceGroups ?? {}))
    if (!config.listeners.some((listener) => listener.name === name))
      throw new TidegateError('value_invalid', `resourceGroups.${name}: no listener is named '${name}'`, {
        fault: 'usage',
        where: `resourceGroups.${name}`,
      })
  return GroupRecording.open({
    ...resourceOptions,
    group: resourceGroup ?? null,
    byListener: resourceGroups ?? {},
    listeners: config.listeners.map((listener) => ({
      name: listener.name,
      description: describeRoute(config, listener),
    })),
    planes,
    application: `tidegate ${VERSION}`,
    logger,
  })
}
