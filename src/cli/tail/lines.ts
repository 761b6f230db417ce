/** One line for each connection, as text or as JSON. */

import type { OpenEvent } from '../../core/conversation.js'
import type { ConnectionSummary } from '../../core/inspect/connections.js'
import { isoTime, milliseconds } from '../../core/inspect/figures.js'
import { connectionJson, eventJson } from '../../core/inspect/json.js'
import { printableLine } from '../../core/inspect/printable.js'
import { base64 } from '../base64.js'
import { humanBytes, humanDuration } from '../human.js'
import type { Colours } from '../table.js'
import { reasonOf, relayedBytes } from './filter.js'

export interface TailLines {
  open(event: OpenEvent): string
  close(summary: ConnectionSummary): string
}

export const jsonTail: TailLines = {
  open: (event) => `${JSON.stringify(eventJson(event, base64))}\n`,
  close: (summary) => `${JSON.stringify({ kind: 'close', ...connectionJson(summary) })}\n`,
}

/** UTC, to the millisecond. */
const timeText = (timeNs: bigint): string => isoTime(timeNs).replace('T', ' ').slice(0, -7)

type Who = Pick<OpenEvent, 'connection' | 'id' | 'client' | 'server' | 'listener'>

/** By the number in the gateway's log, where there is one. */
const whoText = ({ connection, id, client, server, listener }: Who): string => {
  const through = listener === undefined ? '' : `  ${printableLine(listener)}`
  return `#${id ?? connection}  ${printableLine(client)} -> ${printableLine(server)}${through}`
}

const sum = ({ upstream, downstream }: { readonly upstream: number; readonly downstream: number }): number =>
  upstream + downstream

const absentText = ({ missing, cut }: ConnectionSummary, colours: Colours): string => {
  const lost = sum(missing) === 0 ? '' : `  ${colours.red(`${humanBytes(sum(missing))} lost`)}`
  return sum(cut) === 0 ? lost : `${lost}  ${humanBytes(sum(cut))} not recorded`
}

export const textTail = (colours: Colours): TailLines => ({
  open: (event) => `${timeText(event.timeNs)}  ${whoText(event)}  opened\n`,
  close: (summary) => {
    const up = humanBytes(relayedBytes(summary, 'upstream'))
    const down = humanBytes(relayedBytes(summary, 'downstream'))
    const lasted = humanDuration(milliseconds(summary.endNs - summary.startNs))
    return `${timeText(summary.endNs)}  ${whoText(summary)}  ${up} up  ${down} down  ${lasted}  ${reasonOf(summary)}${absentText(summary, colours)}\n`
  },
})
