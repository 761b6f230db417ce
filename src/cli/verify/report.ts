/** What `verify` says: one line or one JSON object for each finding, and a summary last. */

import type { CaptureFormat } from '../../core/codec/capture.js'
import type { PerDirection } from '../../core/direction.js'
import type { CorruptFinding } from '../../core/inspect/checksums.js'
import { count } from '../../core/inspect/figures.js'
import { printableLine } from '../../core/inspect/printable.js'
import type { Finding, VerifyTotals } from '../../core/inspect/verify.js'
import type { FileDamage } from '../../sources/file/capture.js'
import { humanBytes } from '../human.js'
import { damageText } from '../reading.js'

/** The whole verdict, after everything was read. */
export interface Verdict {
  readonly file: string
  readonly files: number
  /** Files in directories that are no recordings. */
  readonly skipped: number
  readonly format: CaptureFormat | 'mixed'
  readonly totals: VerifyTotals
  readonly ignored: number
  /** What is left of it: not the torn tails that were cut. */
  readonly damages: readonly FileDamage[]
  readonly cuts: readonly { readonly file: string; readonly offset: number; readonly cutBytes: number }[]
}

export const isOk = ({ damages, totals }: Verdict): boolean =>
  damages.length === 0 && totals.holes === 0 && totals.mismatches === 0 && totals.corrupt === 0

export interface Reporter {
  /** @param file for what is about one file of several. */
  finding(finding: Finding, file?: string): string
  /** Of one file of several, as it is come upon; that of an only file is in the summary. */
  damage(damage: FileDamage): string
  summary(verdict: Verdict): string
}

const line = (value: object): string => `${JSON.stringify(value)}\n`

const plain = ({ upstream, downstream }: PerDirection<number>): PerDirection<number> => ({
  upstream,
  downstream,
})

export const jsonReporter: Reporter = {
  finding: (finding, file) => line(file === undefined ? finding : { ...finding, file }),
  damage: ({ file, offset, message, torn }) => line({ kind: 'damage', file, offset, message, torn }),
  summary: (verdict) => {
    const { file, files, skipped, format, damages, cuts, ignored, totals } = verdict
    const [damage] = damages
    const found =
      damage === undefined ? null : { offset: damage.offset, message: damage.message, torn: damage.torn }
    const [first] = cuts
    const cut = first === undefined ? null : { offset: first.offset, cutBytes: first.cutBytes }
    const repairs = files === 1 ? '' : cuts.map((one) => line({ kind: 'repair', ...one })).join('')
    return `${repairs}${line({
      kind: 'summary',
      ok: isOk(verdict),
      file,
      format,
      connections: totals.connections.connections,
      unfinished: totals.unfinished,
      continued: totals.continued,
      withLedger: totals.withLedger,
      bytes: plain(totals.connections.stored),
      missing: plain(totals.connections.missing),
      notRecorded: plain(totals.connections.cut),
      holes: totals.holes,
      mismatches: totals.mismatches,
      corrupt: totals.corrupt,
      ignoredPackets: ignored,
      damage: found,
      cut,
      files,
      damagedFiles: damages.length,
      skippedFiles: skipped,
    })}`
  },
}

const withEnds = (what: string, from: string | null, to: string | null): string =>
  from === null || to === null ? what : `${what} (${printableLine(from)} -> ${printableLine(to)})`

const about = ({ connection, client, server }: Exclude<Finding, CorruptFinding>): string =>
  withEnds(`connection ${connection}`, client, server)

const findingLine = (finding: Finding, file?: string): string => {
  switch (finding.kind) {
    case 'hole': {
      const { direction, at, length } = finding
      const why = printableLine(finding.why ?? 'no reason recorded')
      return `hole: ${about(finding)} ${direction}: ${count(length, 'byte')} missing at ${at}: ${why}\n`
    }
    case 'mismatch':
      return `mismatch: ${about(finding)} ${finding.direction}: ${finding.message}\n`
    case 'corrupt': {
      const { offset, source, destination, message } = finding
      const where = file === undefined ? '' : ` of '${printableLine(file)}'`
      return `corrupt: ${withEnds(`packet at byte ${offset}${where}`, source, destination)}: ${message}\n`
    }
    case 'unfinished':
      return `unfinished: ${about(finding)}: the file ends before it was closed\n`
  }
}

const inFile = ({ files }: Verdict, file: string): string => (files === 1 ? '' : `'${printableLine(file)}': `)

/** Of one file of several it was told when it was come upon. */
const damageLine = (verdict: Verdict): string => {
  const [damage] = verdict.damages
  return verdict.files > 1 || damage === undefined ? '' : `damage: ${damageText(damage)}\n`
}

const sum = ({ upstream, downstream }: PerDirection<number>): number => upstream + downstream

const ledgerText = ({ format, totals }: Verdict): string => {
  if (format === 'gogetway') return 'gogetway keeps no ledger: only the frames were checked'
  const closed = totals.connections.connections - totals.connections.open
  if (totals.withLedger === closed) return ''
  return `${count(closed - totals.withLedger, 'connection')} without a ledger`
}

const openText = ({ unfinished, continued }: VerifyTotals): string => {
  const parts = [
    unfinished > 0 ? `${unfinished} unfinished` : '',
    continued > 0 ? `${continued} going on in a file that is not among these` : '',
  ].filter((part) => part !== '')
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`
}

const summaryLines = (verdict: Verdict): string => {
  const { damages, cuts, files, skipped, ignored, totals } = verdict
  const { connections, stored, missing, cut } = totals.connections
  const holes =
    totals.holes === 0 ? 'no holes' : `${count(totals.holes, 'hole')} (${humanBytes(sum(missing))} missing)`
  const parts = [
    `${count(connections, 'connection')}${openText(totals)}`,
    humanBytes(sum(stored)),
    holes,
    sum(cut) > 0 ? `${humanBytes(sum(cut))} not recorded` : '',
    totals.mismatches > 0 ? count(totals.mismatches, 'mismatch', 'mismatches') : '',
    totals.corrupt > 0 ? count(totals.corrupt, 'corrupt packet') : '',
    ledgerText(verdict),
    ignored > 0 ? `${count(ignored, 'packet')} passed over` : '',
    files > 1 ? `${files} files` : '',
    files > 1 && damages.length > 0 ? `${damages.length} of them damaged` : '',
    skipped > 0 ? `${count(skipped, 'file')} passed over: no recordings` : '',
  ].filter((part) => part !== '')
  const state = isOk(verdict) ? 'ok' : 'failed'
  return [
    damageLine(verdict),
    ...cuts.map(
      ({ file, offset, cutBytes }) =>
        `repaired: ${inFile(verdict, file)}${count(cutBytes, 'byte')} of a torn record cut off at byte ${offset}\n`,
    ),
    `${state}: ${parts.join(', ')}\n`,
  ].join('')
}

export const textReporter: Reporter = {
  finding: findingLine,
  damage: (damage) => `damage: '${printableLine(damage.file)}' is ${damageText(damage)}\n`,
  summary: summaryLines,
}
