/**
 * Accounts of ended connections on their way from a worker: flat, since an array of numbers and one of texts is
 * copied between threads in a fraction of the time that as many objects take.
 */

import type { Address } from '../../core/address.js'
import { CLOSE_REASONS, type CloseReason } from '../../core/close-reason.js'
import type { ConnectionRecord } from '../../core/session/record.js'
import { type PlainError, plainError, revivedError } from './plain-error.js'

const REASONS = Object.keys(CLOSE_REASONS) as readonly CloseReason[]

/** id, listener, reason, startedAt, routed, queued, woke, dialled, total, bytes each way, attempts, ports of client and upstream. */
const NUMBERS = 14
/** Client, upstream. */
const TEXTS = 2

/** In place of the number: there is none. */
const NONE = Number.NaN
const UNIX_PORT = -1
const NO_ADDRESS_PORT = -2

export interface RecordBatch {
  readonly numbers: readonly number[]
  readonly texts: readonly string[]
  /** Of the records that have one, by their place in the batch. */
  readonly errors: readonly (readonly [index: number, error: PlainError])[]
}

const portOf = (address: Address | null): number => {
  if (address === null) return NO_ADDRESS_PORT
  return address.kind === 'tcp' ? address.port : UNIX_PORT
}

const textOf = (address: Address | null): string => {
  if (address === null) return ''
  return address.kind === 'tcp' ? address.host : address.path
}

const addressOf = (text: string, port: number): Address | null => {
  if (port === NO_ADDRESS_PORT) return null
  return port === UNIX_PORT ? { kind: 'unix', path: text } : { kind: 'tcp', host: text, port }
}

const orNull = (value: number): number | null => (Number.isNaN(value) ? null : value)

/** Gathers records until they are taken. */
export class RecordGatherer {
  readonly #listenerNumbers: ReadonlyMap<string, number>
  #numbers: number[] = []
  #texts: string[] = []
  #errors: [number, PlainError][] = []

  constructor(listenerNumbers: ReadonlyMap<string, number>) {
    this.#listenerNumbers = listenerNumbers
  }

  get size(): number {
    return this.#texts.length / TEXTS
  }

  add(record: ConnectionRecord): void {
    const { id, listener, client, upstream, reason, error, startedAt, times, bytes, attempts } = record
    if (error !== null) this.#errors.push([this.size, plainError(error)])
    this.#numbers.push(
      id,
      this.#listenerNumbers.get(listener) ?? 0,
      REASONS.indexOf(reason),
      startedAt,
      times.routed ?? NONE,
      times.queued ?? NONE,
      times.woke ?? NONE,
      times.dialled ?? NONE,
      times.total,
      bytes.upstream,
      bytes.downstream,
      attempts,
      portOf(client),
      portOf(upstream),
    )
    this.#texts.push(textOf(client), textOf(upstream))
  }

  take(): RecordBatch {
    const batch = { numbers: this.#numbers, texts: this.#texts, errors: this.#errors }
    this.#numbers = []
    this.#texts = []
    this.#errors = []
    return batch
  }
}

/** @throws RangeError for what no gatherer made. */
export const recordsOf = (
  { numbers, texts, errors }: RecordBatch,
  listenerNames: readonly string[],
): readonly ConnectionRecord[] => {
  const errorAt = new Map(errors)
  return Array.from({ length: texts.length / TEXTS }, (_, index) => {
    const number = (column: number): number => numbers[index * NUMBERS + column] ?? NONE
    const reason = REASONS[number(2)]
    const client = addressOf(texts[index * TEXTS] ?? '', number(12))
    if (reason === undefined || client === null) throw new RangeError('not a batch of records')
    const error = errorAt.get(index)
    return {
      id: number(0),
      listener: listenerNames[number(1)] ?? '',
      client,
      upstream: addressOf(texts[index * TEXTS + 1] ?? '', number(13)),
      reason,
      error: error === undefined ? null : revivedError(error),
      startedAt: number(3),
      times: {
        routed: orNull(number(4)),
        queued: orNull(number(5)),
        woke: orNull(number(6)),
        dialled: orNull(number(7)),
        total: number(8),
      },
      bytes: { upstream: number(9), downstream: number(10) },
      attempts: number(11),
    }
  })
}
