/** Opens a recording that a sink takes: its spool, and for a sink of the program's own what delivers to it. */

import type { GatewayConfig, RecordPlace } from '../../config/config.js'
import { safeUrl } from '../../core/safe-url.js'
import { TidegateError } from '../../errors.js'
import type { Logger } from '../../ports/logger.js'
import type { Sink } from '../../ports/sink.js'
import type { StoreHost } from '../../ports/store.js'
import type { WriterOptions } from '../../sinks/file/file-writer.js'
import { openSpoolDir, type SpoolDir } from '../../sinks/spool/spool-dir.js'
import type { OpenedStore } from './recording.js'
import { newFigures } from './site.js'
import { type OwnDelivery, startOwnDelivery } from './spool.js'

/** @throws TidegateError `value_invalid`: there is a sink, and nothing is recorded to it. */
export const checkSinkIsUsed = ({ record }: GatewayConfig, sink: Sink | undefined): void => {
  if (sink === undefined || (record?.place.kind === 'sink' && record.place.url === null)) return
  throw new TidegateError(
    'value_invalid',
    'sink: given, but the config records nothing to it; expected a record section with a spool, and neither file nor to',
    { fault: 'usage', where: 'sink' },
  )
}

export const openSinkStore = async (
  { url, spool }: Extract<RecordPlace, { kind: 'sink' }>,
  writer: WriterOptions,
  logger: Logger,
  ownSink: Sink | undefined,
): Promise<OpenedStore> => {
  const where = ownSink?.where ?? safeUrl(url ?? '')
  const dir = await openSpoolDir(spool.dir)
  const figures = newFigures()
  const own = ownSink === undefined ? null : await startOwn(ownSink, dir, { where, figures, logger })
  logger.info({ where, spool: spool.dir }, 'recording')
  return {
    where,
    figures,
    spec: {
      kind: 'spool',
      dir: dir.dir,
      left: dir.left,
      next: dir.next,
      maxBytes: spool.bytes,
      ...writer,
      sink: own === null ? { kind: 'url', url: url ?? '' } : { kind: 'port', port: own.port },
    },
    close: async (timeoutMs) => {
      await own?.close(timeoutMs)
      dir.release()
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
