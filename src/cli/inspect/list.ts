/** `inspect FILE`: the connections of a recording, each printed when it ends. */

import type { PerDirection } from '../../core/direction.js'
import {
  type ConnectionSummary,
  type ConnectionTotals,
  createConnectionTable,
} from '../../core/inspect/connections.js'
import { count, isoTime, milliseconds } from '../../core/inspect/figures.js'
import { connectionJson } from '../../core/inspect/json.js'
import { printableLine } from '../../core/inspect/printable.js'
import type { RecordingFile } from '../../sources/file/recording.js'
import { humanBytes, humanDuration } from '../human.js'
import { type CommandIo, type Output, tell } from '../output.js'
import type { Progress } from '../progress.js'
import { tellIgnored } from '../reading.js'
import { type Colours, coloursFor, createPagedTable } from '../table.js'

export interface ListWork {
  /** Part of the client's address. */
  readonly client?: string
  /** `open`, `continued`, `fin`, `reset` or a close reason. */
  readonly reason?: string
  readonly json: boolean
}

/** The gateway's reason; `continued` in another file; for recordings without one how the packets ended. */
const endOf = ({ end }: ConnectionSummary): string => {
  if (end.state === 'open') return end.continued ? 'continued' : 'open'
  return end.annotation?.reason ?? end.how
}

const COLUMNS = [
  { title: '#', align: 'right' },
  { title: 'client' },
  { title: 'server' },
  { title: 'listener' },
  { title: 'start (UTC)' },
  { title: 'duration', align: 'right' },
  { title: 'upstream', align: 'right' },
  { title: 'downstream', align: 'right' },
  { title: 'end' },
  { title: 'lost', align: 'right' },
] as const

/** Date and time to the millisecond, which is what a row has room for. */
const startOf = (timeNs: bigint): string => isoTime(timeNs).replace('T', ' ').slice(0, -7)

const sum = ({ upstream, downstream }: PerDirection<number>): number => upstream + downstream

/** What is missing, and what was left out on purpose, which is no loss. */
const absentText = ({ missing, cut }: ConnectionSummary, colours: Colours): string => {
  const parts = [
    sum(missing) === 0 ? '' : colours.red(humanBytes(sum(missing))),
    sum(cut) === 0 ? '' : `(${humanBytes(sum(cut))} not recorded)`,
  ].filter((part) => part !== '')
  return parts.length === 0 ? '-' : parts.join(' ')
}

const cellsOf = (summary: ConnectionSummary, colours: Colours): readonly string[] => {
  const { stored } = summary
  return [
    String(summary.connection),
    printableLine(summary.client),
    printableLine(summary.server),
    printableLine(summary.listener ?? '-'),
    startOf(summary.startNs),
    humanDuration(milliseconds(summary.endNs - summary.startNs)),
    humanBytes(stored.upstream),
    humanBytes(stored.downstream),
    endOf(summary),
    absentText(summary, colours),
  ]
}

type RowPrinter = (summary: ConnectionSummary | null) => string | null

/** Given null, prints what is left. */
const jsonRows: RowPrinter = (summary) =>
  summary === null ? null : `${JSON.stringify(connectionJson(summary))}\n`

const tableRows = (colours: Colours): RowPrinter => {
  const table = createPagedTable(COLUMNS, colours)
  return (summary) => (summary === null ? table.end() : table.add(cellsOf(summary, colours)))
}

const summaryLine = ({ format, files }: RecordingFile, totals: ConnectionTotals): string => {
  const { stored, missing, cut } = totals
  const parts = [
    `${format}: ${count(totals.connections, 'connection')}${totals.open > 0 ? `, ${totals.open} of them open` : ''}`,
    `${humanBytes(stored.upstream)} upstream`,
    `${humanBytes(stored.downstream)} downstream`,
  ]
  if (sum(missing) > 0)
    parts.push(`${humanBytes(sum(missing))} lost in ${count(totals.incomplete, 'connection')}`)
  if (sum(cut) > 0) parts.push(`${humanBytes(sum(cut))} not recorded`)
  if (files.length > 1) parts.push(`${files.length} files`)
  return parts.join(', ')
}

export const listConnections = async (
  io: CommandIo,
  recording: RecordingFile,
  output: Output,
  progress: Progress,
  { client, reason, json }: ListWork,
): Promise<void> => {
  const table = createConnectionTable()
  const row = json ? jsonRows : tableRows(coloursFor(io.stdout))

  const wanted = (summary: ConnectionSummary): boolean =>
    (client === undefined || summary.client.includes(client)) &&
    (reason === undefined || reason === endOf(summary))

  const print = async (text: string | null): Promise<void> => {
    if (text === null) return
    await output.write(text)
    if (io.stdout.isTTY !== true) return
    // On a terminal the page is shown at once, and the bar would be in its first line.
    progress.hide()
    await output.flush()
  }

  for await (const batch of recording.batches())
    for (const event of batch) {
      const ended = table.push(event)
      if (ended !== null && wanted(ended)) await print(row(ended))
    }
  for (const left of table.rest()) if (wanted(left)) await print(row(left))
  progress.stop()
  await print(row(null))
  await output.flush()
  tell(io, summaryLine(recording, table.totals))
  tellIgnored(io, recording)
}
