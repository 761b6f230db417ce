/**
 * What a recording says about its connections beyond their bytes, kept as packet comments (pcapng
 * `opt_comment`), so that Wireshark shows it and tools that copy packets keep it.
 *
 *     comment    = "tidegate " kind " " JSON
 *     kind       = "open"    ; on the SYN: who really talked to whom
 *                / "gap"     ; on the first packet after a loss in its direction
 *                / "close"   ; on the connection's last packet: why it ended, and the ledger
 */

import { type CloseReason, isCloseReason } from '../close-reason.js'
import type { Direction } from '../direction.js'

/** Bytes `[at, at + length)` of one direction's stream that were relayed but not stored. */
export interface LostRange {
  readonly at: number
  readonly length: number
  /** `write failed: ENOSPC`, `overload: dropped`, … */
  readonly why: string
}

/** The account of one direction: `seen = stored + the lost lengths`, always. */
export interface LedgerEntry {
  readonly seen: number
  readonly stored: number
  readonly lost: readonly LostRange[]
}

export interface OpenAnnotation {
  readonly kind: 'open'
  /** The gateway's own number for the connection, as in its log. */
  readonly id: number
  readonly listener: string
  /** Real ends, in address notation; what the packets carry differs for unix sockets and mixed IP versions. */
  readonly client: string
  readonly server: string
}

export interface GapAnnotation {
  readonly kind: 'gap'
  readonly direction: Direction
  readonly at: number
  readonly length: number
  readonly why: string
}

export interface CloseAnnotation {
  readonly kind: 'close'
  readonly id: number
  readonly reason: CloseReason
  readonly upstream: LedgerEntry
  readonly downstream: LedgerEntry
}

export type Annotation = OpenAnnotation | GapAnnotation | CloseAnnotation

/** What each comment of ours begins with. */
export const ANNOTATION_PREFIX = 'tidegate '

export const encodeAnnotation = ({ kind, ...fields }: Annotation): string =>
  `${ANNOTATION_PREFIX}${kind} ${JSON.stringify(fields)}`

type Fields = Readonly<Record<string, unknown>>

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0

const isLostRange = (value: unknown): value is LostRange =>
  isFields(value) && isCount(value.at) && isCount(value.length) && typeof value.why === 'string'

const isLedgerEntry = (value: unknown): value is LedgerEntry =>
  isFields(value) &&
  isCount(value.seen) &&
  isCount(value.stored) &&
  Array.isArray(value.lost) &&
  value.lost.every(isLostRange)

const decodeOpen = ({ id, listener, client, server }: Fields): OpenAnnotation | null =>
  isCount(id) && typeof listener === 'string' && typeof client === 'string' && typeof server === 'string'
    ? { kind: 'open', id, listener, client, server }
    : null

const decodeGap = ({ direction, at, length, why }: Fields): GapAnnotation | null =>
  (direction === 'upstream' || direction === 'downstream') &&
  isCount(at) &&
  isCount(length) &&
  typeof why === 'string'
    ? { kind: 'gap', direction, at, length, why }
    : null

const decodeClose = ({ id, reason, upstream, downstream }: Fields): CloseAnnotation | null =>
  isCount(id) &&
  typeof reason === 'string' &&
  isCloseReason(reason) &&
  isLedgerEntry(upstream) &&
  isLedgerEntry(downstream)
    ? { kind: 'close', id, reason, upstream, downstream }
    : null

const parseFields = (text: string): Fields | null => {
  try {
    const value: unknown = JSON.parse(text)
    return isFields(value) ? value : null
  } catch {
    return null
  }
}

/** Null for any comment that is not one of ours, however it looks. */
export const decodeAnnotation = (comment: string): Annotation | null => {
  const match = /^tidegate (open|gap|close) (\{.*\})$/s.exec(comment)
  const fields = match?.[2] === undefined ? null : parseFields(match[2])
  if (fields === null) return null
  if (match?.[1] === 'open') return decodeOpen(fields)
  return match?.[1] === 'gap' ? decodeGap(fields) : decodeClose(fields)
}
