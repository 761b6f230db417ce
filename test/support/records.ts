/** Records as a gateway would hand them to a sink, made for tests. */

import { randomUUID } from 'node:crypto'
import type { Direction } from '../../src/core/direction.js'
import type { LedgerEntry } from '../../src/core/record/annotation.js'
import type { SinkRecord } from '../../src/ports/sink.js'

/** An odd number of nanoseconds: what is kept in microseconds would lose it. */
export const START_NS = 1_790_000_000_123_456_789n

export interface TalkSpec {
  readonly recording?: string
  readonly connection?: number
  readonly client?: string
  readonly server?: string
  readonly listener?: string
  readonly startNs?: bigint
  /** What is said, in this order. */
  readonly said?: readonly (readonly [Direction, Uint8Array])[]
}

const entry = (length: number): LedgerEntry => ({ seen: length, stored: length, lost: [] })

/** One connection from its opening to its end. */
export const talk = ({
  recording = randomUUID(),
  connection = 1,
  client = '127.0.0.1:40112',
  server = '10.1.2.3:5432',
  listener = 'db',
  startNs = START_NS,
  said = [],
}: TalkSpec): readonly SinkRecord[] => {
  const key = { recording, connection }
  const at = { upstream: 0, downstream: 0 }
  let timeNs = startNs
  const records: SinkRecord[] = [{ kind: 'open', ...key, timeNs, listener, client, server }]
  for (const [direction, bytes] of said) {
    timeNs += 1_500n
    records.push({ kind: 'data', ...key, direction, at: at[direction], timeNs, bytes })
    at[direction] += bytes.length
  }
  for (const direction of ['upstream', 'downstream'] as const)
    records.push({ kind: 'fin', ...key, direction, at: at[direction], timeNs: ++timeNs })
  records.push({
    kind: 'close',
    ...key,
    timeNs: timeNs + 1n,
    reason: 'client_fin',
    upstream: entry(at.upstream),
    downstream: entry(at.downstream),
  })
  return records
}

const LATIN = new TextEncoder()

export const bytesOf = (text: string): Uint8Array => LATIN.encode(text)
