/** A series of files as plain data, and how its store is opened on whichever thread writes it. */

import type { RetentionLimits } from '../../core/record/files/retention.js'
import type { Store, StoreHost } from '../../ports/store.js'
import { lockRun } from '../file/lock.js'
import { FilesStore, type FilesTarget } from './files-store.js'
import { Janitor } from './janitor.js'
import { recordingOfStart } from './origin.js'

export type Compression = 'none' | 'gzip' | 'zstd'

/** All but what comes with the recording itself. */
export interface FilesSpec extends Omit<FilesTarget, 'sectionStart' | 'sequenceSalt'> {
  readonly compress: Compression
  readonly limits: RetentionLimits
}

export const openFilesStore = async (
  spec: FilesSpec & Pick<FilesTarget, 'sectionStart' | 'sequenceSalt'>,
  host: StoreHost,
): Promise<Store> => {
  const { compress, limits, ...target } = spec
  const recording = await recordingOfStart(target.sectionStart)
  const lock = recording === null ? null : await lockRun(recording)
  const options = { ...target, compress, limits, recording, lock }
  return new FilesStore(target, host, (current) => new Janitor(options, host, current))
}
