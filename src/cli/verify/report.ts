/** What `verify` says: one line or one JSON object for each finding, and a summary last. */

import type { CaptureFormat } from '../../core/codec/capture.js'
import type { PerDirection } from '../../core/direction.js'
import type { CorruptFinding } from '../../core/inspect/checksums.js'
import { count } from '../../core/inspect/figures.js'
import { printableLine } from '../../core/inspect/printable.js'
import type { Finding, VerifyTotals } from '../../core/inspect/verify.js'
import { humanBytes } from '../human.js'
import { type CaptureDamage, damageText } from '../reading.js'

/** The whole verdict, after everything was read. */
export interface Verdict {
  readonly file: string
  readonly format: CaptureFormat
  readonly totals: VerifyTotals
  readonly ignored: number
  /** What is left of it: null also for a torn tail that was cut. */
  readonly damage: CaptureDamage | null
  readonly cut: { readonly offset: number; readonly cutBytes: number } | null
}

export const isOk = ({ damage, totals }: Verdict): boolean =>
  damage === null && totals.holes === 0 && totals.mismatches === 0 && totals.corrupt === 0

export interface Reporter {
  finding(finding: Finding): string
  summary(verdict: Verdict): string
}

const line = (value: object): string => `${JSON.stringify(value)}\n`

const plain = ({ upstream, downstream }: PerDirection<number>): PerDirection<number> => ({
  upstream,
  downstream,
})

export const jsonReporter: Reporter = {
  finding: line,
  summary: (verdict) => {
    const { file, format, damage, cut, ignored, totals } = verdict
    const found =
      damage === null ? null : { offset: damage.offset, message: damage.message, torn: damage.torn }
    return line({
      kind: 'summary',
      ok: isOk(verdict),
      file,
      format,
      connections: totals.connections.connections,
      unfinished: totals.unfinished,
      withLedger: totals.withLedger,
      bytes: plain(totals.connections.stored),
      missing: plain(totals.connections.missing),
      holes: totals.holes,
      mismatches: totals.mismatches,
      corrupt: totals.corrupt,
      ignoredPackets: ignored,
      damage: found,
      cut,
    })
  },
}

const withEnds = (what: string, from: string | null, to: string | null): string =>
  from === null || to === null ? what : `${what} (${printableLine(from)} -> ${printableLine(to)})`

const about = ({ connection, client, server }: Exclude<Finding, CorruptFinding>): string =>
  withEnds(`connection ${connection}`, client, server)

const findingLine = (finding: Finding): string => {
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
      return `corrupt: ${withEnds(`packet at byte ${offset}`, source, destination)}: ${message}\n`
    }
    case 'unfinished':
      return `unfinished: ${about(finding)}: the file ends before it was closed\n`
  }
}

const sum = ({ upstream, downstream }: PerDirection<number>): number => upstream + downstream

const ledgerText = ({ format, totals }: Verdict): string => {
  if (format === 'gogetway') return 'gogetway keeps no ledger: only the frames were checked'
  const closed = totals.connections.connections - totals.connections.open
  if (totals.withLedger === closed) return ''
  return `${count(closed - totals.withLedger, 'connection')} without a ledger`
}

const summaryLines = (verdict: Verdict): string => {
  const { damage, cut, ignored, totals } = verdict
  const { connections, stored, missing } = totals.connections
  const holes =
    totals.holes === 0 ? 'no holes' : `${count(totals.holes, 'hole')} (${humanBytes(sum(missing))} missing)`
  const parts = [
    `${count(connections, 'connection')}${totals.unfinished > 0 ? ` (${totals.unfinished} unfinished)` : ''}`,
    humanBytes(sum(stored)),
    holes,
    totals.mismatches > 0 ? count(totals.mismatches, 'mismatch', 'mismatches') : '',
    totals.corrupt > 0 ? count(totals.corrupt, 'corrupt packet') : '',
    ledgerText(verdict),
    ignored > 0 ? `${count(ignored, 'packet')} passed over` : '',
  ].filter((part) => part !== '')
  const state = isOk(verdict) ? 'ok' : 'failed'
  return [
    damage === null ? '' : `damage: ${damageText(damage)}\n`,
    cut === null
      ? ''
      : `repaired: ${count(cut.cutBytes, 'byte')} of a torn record cut off at byte ${cut.offset}\n`,
    `${state}: ${parts.join(', ')}\n`,
  ].join('')
}

export const textReporter: Reporter = { finding: findingLine, summary: summaryLines }
