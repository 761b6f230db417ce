/** Events written by hand, with what does not matter to a test filled in. */

import type { CloseEvent, DataEvent, FinEvent, GapEvent, OpenEvent } from '../../../src/core/conversation.js'
import type { Direction } from '../../../src/core/direction.js'
import type { CloseAnnotation, LedgerEntry, LostRange } from '../../../src/core/record/annotation.js'

const MS = 1_000_000n

export const opened = (connection: number, more: Partial<OpenEvent> = {}): OpenEvent => ({
  kind: 'open',
  connection,
  timeNs: 0n,
  client: `10.0.0.1:${1000 + connection}`,
  server: '10.0.0.2:80',
  listener: 'web',
  id: undefined,
  recording: undefined,
  continues: undefined,
  fromStart: true,
  ...more,
})

export const sent = (
  connection: number,
  direction: Direction,
  text: string,
  { at = 0, ms = 1 }: { readonly at?: number; readonly ms?: number } = {},
): DataEvent => ({
  kind: 'data',
  connection,
  timeNs: BigInt(ms) * MS,
  direction,
  at,
  bytes: new TextEncoder().encode(text),
})

export const gap = (
  connection: number,
  direction: Direction,
  at: number,
  length: number,
  why?: string,
): GapEvent => ({ kind: 'gap', connection, timeNs: MS, direction, at, length, why })

export const fin = (connection: number, direction: Direction): FinEvent => ({
  kind: 'fin',
  connection,
  timeNs: MS,
  direction,
})

export const entry = (stored: number, lost: readonly LostRange[] = []): LedgerEntry => ({
  seen: stored + lost.reduce((sum, { length }) => sum + length, 0),
  stored,
  lost,
})

export const ledger = (upstream: LedgerEntry, downstream: LedgerEntry): CloseAnnotation => ({
  kind: 'close',
  id: 1,
  reason: 'client_fin',
  upstream,
  downstream,
})

export const closed = (connection: number, annotation: CloseAnnotation | null, ms = 5): CloseEvent => ({
  kind: 'close',
  connection,
  timeNs: BigInt(ms) * MS,
  annotation,
  how: 'fin',
})
