/** Looks after the files that are complete. */

import type { ClosedFile, CurrentFiles, RetentionLimits } from '../../core/record/files/retention.js'
import type { PathTemplate } from '../../core/record/files/template.js'
import type { StoreHost } from '../../ports/store.js'
import type { ClosedFiles } from './files-store.js'

export interface JanitorOptions {
  readonly base: string
  readonly template: PathTemplate
  readonly compress: 'none' | 'gzip' | 'zstd'
  readonly limits: RetentionLimits
}

export class Janitor implements ClosedFiles {
  constructor(_options: JanitorOptions, _host: StoreHost, _current: () => CurrentFiles) {}

  add(_file: ClosedFile): void {}

  async close(): Promise<void> {}
}
