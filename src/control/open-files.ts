/** Makes files ready to be recorded to: one, or a series. */

import type { FilesConfig, RecordConfig } from '../config/config.js'
import { formatSize } from '../config/units.js'
import { parseTemplate, templateName } from '../core/record/files/template.js'
import type { Logger } from '../ports/logger.js'
import { openFileSink } from '../sinks/file/file-sink.js'
import { openSeriesPlace } from '../sinks/files/base-folder.js'
import type { OpenedStore } from './recording/recording.js'

/** Where a recording goes, made ready. */
export interface OpenedPlace {
  readonly store: OpenedStore
  /** The file that was not there before; null when an existing one is continued, or none is begun yet. */
  readonly createdFile: string | null
}

/** How it is written, whatever it is written to. */
type WriterConfig = Pick<RecordConfig, 'minFreeBytes' | 'sync' | 'syncIntervalMs'>

export const writerOptions = ({ minFreeBytes, sync, syncIntervalMs }: WriterConfig) => ({
  durability: { sync, intervalMs: syncIntervalMs },
  floor: { bytes: minFreeBytes, text: formatSize(minFreeBytes) },
})

/** @throws TidegateError (rejects) `file_unwritable`, `file_damaged` */
export const openFilePlace = async (
  file: string,
  config: WriterConfig,
  logger: Logger,
): Promise<OpenedPlace> => {
  const sink = await openFileSink(file)
  if (sink.repairedBytes > 0)
    logger.warn(
      { file, cutBytes: sink.repairedBytes },
      'the recording ended in a torn block, which was cut off',
    )
  logger.info({ file, ...(sink.appended ? { continued: true } : {}) }, 'recording')
  const store: OpenedStore = {
    where: file,
    spec: { kind: 'file', target: sink.target, options: writerOptions(config) },
    close: () => sink.close(),
  }
  return { store, createdFile: sink.created ? file : null }
}

/** @throws TidegateError (rejects) `file_unwritable` */
export const openFilesPlace = async (
  files: FilesConfig,
  config: WriterConfig,
  logger: Logger,
): Promise<OpenedPlace> => {
  const { template: where, rotateBytes, rotateMs, compress, keepBytes, keepMs, keepFiles } = files
  const template = parseTemplate(where)
  const { base, close } = await openSeriesPlace(template.base, templateName(template))
  logger.info({ files: where }, 'recording')
  const limits = { keepBytes, keepMs, keepFiles }
  const spec = {
    kind: 'files',
    where,
    base,
    template,
    rotateBytes,
    rotateMs,
    compress,
    limits,
    ...writerOptions(config),
  } as const
  return { store: { where, spec, close }, createdFile: null }
}
