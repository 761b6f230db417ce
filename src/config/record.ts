/** What the config says of recording, from the schema's words to frozen values. */

import { isTemplate } from '../core/record/files/template.js'
import type { CaptureConfig, RecordConfig, RecordPlace } from './config.js'
import * as defaults from './defaults.js'
import { ruleOf } from './record-schema.js'
import type { CheckedInput } from './schema.js'

type RecordSection = NonNullable<CheckedInput['record']>
type ListenerRecord = CheckedInput['listeners'][number]['record']

const placeOf = (
  { file, to, rotate, compress, keep, spool }: RecordSection,
  ownSink: boolean,
): RecordPlace => {
  if (to !== undefined || ownSink)
    return { kind: 'sink', url: to ?? null, spool: { dir: spool?.dir ?? '', bytes: spool?.size ?? 0 } }
  const path = file ?? ''
  const isPlain = !isTemplate(path) && rotate === undefined && compress === 'none' && keep === undefined
  if (isPlain) return { kind: 'file', path }
  return {
    kind: 'files',
    template: path,
    rotateBytes: rotate?.size ?? null,
    rotateMs: rotate?.every ?? null,
    compress,
    keepBytes: keep?.size ?? null,
    keepMs: keep?.age ?? null,
    keepFiles: keep?.files ?? null,
  }
}

export const recordOf = (record: RecordSection, ownSink: boolean): RecordConfig => ({
  place: placeOf(record, ownSink),
  minFreeBytes: record.minFree,
  sync: record.sync,
  syncIntervalMs: record.syncInterval,
  overload: record.overload,
  onFailure: record.onFailure,
  bufferBytes: record.bufferSize,
})

/** A listener's own settings, then the general ones, then the defaults. */
export const captureOf = (own: ListenerRecord, general: CheckedInput['record']): CaptureConfig | null => {
  if (general === undefined || own === false) return null
  const mine: Partial<Exclude<ListenerRecord, boolean | undefined>> = typeof own === 'object' ? own : {}
  const redact = mine.redact ?? general.redact ?? []
  return {
    enabled: typeof own === 'object' ? own.enabled : true,
    sample: mine.sample ?? general.sample ?? defaults.DEFAULT_SAMPLE,
    sampleBy: mine.sampleBy ?? general.sampleBy ?? 'client',
    allow: mine.allow ?? general.allow ?? [],
    deny: mine.deny ?? general.deny ?? [],
    maxBytes: mine.maxBytes ?? general.maxBytes ?? null,
    redact: redact.map(ruleOf),
  }
}
