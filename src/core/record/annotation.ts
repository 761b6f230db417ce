/**
 * What a recording says about its connections beyond their bytes, kept as packet comments (pcapng
 * `opt_comment`), so that Wireshark shows it and tools that copy packets keep it.
 *
 *     comment    = "tidegate " kind " " JSON
 *     kind       = "open"      ; on the SYN: who really talked to whom; on a packet without data where a file takes over
 *                / "gap"       ; on the first packet after a loss, or a cut, in its direction
 *                / "close"     ; on the connection's last packet: why it ended, and the ledger
 *                / "continue"  ; at the end of a file, for a connection that goes on in the next
 *
 * And once per section, as a comment of its header:
 *
 *     "tidegate file " JSON           ; which of several files of that run, counted from 0
 *     "tidegate recording " JSON      ; a UUID for each run of a gateway: its connections' numbers are unique within it
 */

import { type CloseReason, isCloseReason } from '../close-reason.js'
import type { Direction, PerDirection } from '../direction.js'

/** Bytes `[at, at + length)` of one direction's stream that were relayed but not stored. */
export interface LostRange {
  readonly at: number
  readonly length: number
  /** `write failed: ENOSPC`, `overload: dropped`, … */
  readonly why: string
}

/** The account of one direction: `seen = stored + the lost lengths + the cut lengths`, always. */
export interface LedgerEntry {
  readonly seen: number
  readonly stored: number
  readonly lost: readonly LostRange[]
  /** Left out because the config says so: no loss. Absent: nothing. */
  readonly cut?: readonly LostRange[]
}

/** Where a file takes over a connection from the one before it: bytes of each direction that stand there. */
export type Position = PerDirection<number>

export interface OpenAnnotation {
  readonly kind: 'open'
  /** The gateway's own number for the connection, as in its log. */
  readonly id: number
  readonly listener: string
  /** Real ends, in address notation; what the packets carry differs for unix sockets and mixed IP versions. */
  readonly client: string
  readonly server: string
  /** It began in an earlier file, which has it up to here. */
  readonly continues?: Position
}

export interface GapAnnotation {
  readonly kind: 'gap'
  readonly direction: Direction
  readonly at: number
  readonly length: number
  readonly why: string
  /** Left out on purpose: no loss. */
  readonly cut?: true
}

export interface CloseAnnotation {
  readonly kind: 'close'
  readonly id: number
  readonly reason: CloseReason
  readonly upstream: LedgerEntry
  readonly downstream: LedgerEntry
}

/** The file ends here, the connection does not: the next file takes over from these positions. */
export interface ContinueAnnotation extends Position {
  readonly kind: 'continue'
  readonly id: number
}

export type Annotation = OpenAnnotation | GapAnnotation | CloseAnnotation | ContinueAnnotation

/** What each comment of ours begins with. */
export const ANNOTATION_PREFIX = 'tidegate '

const ANNOTATION_KINDS = ['open', 'gap', 'close', 'continue'] as const satisfies readonly Annotation['kind'][]

/** Kinds of annotations, and of what a section's header says. */
type Kind = Annotation['kind'] | 'recording' | 'file'

const startOf = (kind: Kind): string => `${ANNOTATION_PREFIX}${kind} `

const encode = (kind: Kind, fields: object): string => `${startOf(kind)}${JSON.stringify(fields)}`

export const encodeAnnotation = ({ kind, ...fields }: Annotation): string => encode(kind, fields)

/** Whether a comment says that it is of this kind: cheap to tell, before it is decoded. */
export const isOfKind = (comment: string, kind: Annotation['kind']): boolean =>
  comment.startsWith(startOf(kind))

type Fields = Readonly<Record<string, unknown>>

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0

const isLostRange = (value: unknown): value is LostRange =>
  isFields(value) && isCount(value.at) && isCount(value.length) && typeof value.why === 'string'

const isRanges = (value: unknown): value is readonly LostRange[] =>
  Array.isArray(value) && value.every(isLostRange)

const isPosition = (value: unknown): value is Position =>
  isFields(value) && isCount(value.upstream) && isCount(value.downstream)

const isLedgerEntry = (value: unknown): value is LedgerEntry =>
  isFields(value) &&
  isCount(value.seen) &&
  isCount(value.stored) &&
  isRanges(value.lost) &&
  (value.cut === undefined || isRanges(value.cut))

const decodeOpen = ({ id, listener, client, server, continues }: Fields): OpenAnnotation | null =>
  isCount(id) && typeof listener === 'string' && typeof client === 'string' && typeof server === 'string'
    ? { kind: 'open', id, listener, client, server, ...(isPosition(continues) ? { continues } : {}) }
    : null

const decodeContinue = ({ id, upstream, downstream }: Fields): ContinueAnnotation | null =>
  isCount(id) && isCount(upstream) && isCount(downstream)
    ? { kind: 'continue', id, upstream, downstream }
    : null

const decodeGap = ({ direction, at, length, why, cut }: Fields): GapAnnotation | null =>
  (direction === 'upstream' || direction === 'downstream') &&
  isCount(at) &&
  isCount(length) &&
  typeof why === 'string'
    ? { kind: 'gap', direction, at, length, why, ...(cut === true ? { cut } : {}) }
    : null

const decodeClose = ({ id, reason, upstream, downstream }: Fields): CloseAnnotation | null =>
  isCount(id) &&
  typeof reason === 'string' &&
  isCloseReason(reason) &&
  isLedgerEntry(upstream) &&
  isLedgerEntry(downstream)
    ? { kind: 'close', id, reason, upstream, downstream }
    : null

/** Null if the comment is not of this kind. */
const fieldsOf = (comment: string, kind: Kind): Fields | null => {
  const start = startOf(kind)
  const looksRight = comment.startsWith(`${start}{`) && comment.endsWith('}')
  return looksRight ? parseFields(comment.slice(start.length)) : null
}

const parseFields = (text: string): Fields | null => {
  try {
    const value: unknown = JSON.parse(text)
    return isFields(value) ? value : null
  } catch {
    return null
  }
}

const DECODERS: Readonly<Record<Annotation['kind'], (fields: Fields) => Annotation | null>> = {
  open: decodeOpen,
  gap: decodeGap,
  close: decodeClose,
  continue: decodeContinue,
}

/** Null for any comment that is not one of ours, however it looks. */
export const decodeAnnotation = (comment: string): Annotation | null => {
  const kind = ANNOTATION_KINDS.find((one) => isOfKind(comment, one))
  const fields = kind === undefined ? null : fieldsOf(comment, kind)
  return kind === undefined || fields === null ? null : DECODERS[kind](fields)
}

/** The comment of a section header that names the run of a gateway. */
export const encodeRecordingComment = (recording: string): string => encode('recording', { id: recording })

/** The name of the run of a gateway that wrote a section; null where its comments do not say. */
export const recordingOf = (comments: readonly string[]): string | null => {
  for (const comment of comments) {
    const id = fieldsOf(comment, 'recording')?.id
    if (typeof id === 'string') return id
  }
  return null
}

/** The comment of a section header that says which of a recording's files it is in, counted from 0. */
export const encodeFileComment = (number: number): string => encode('file', { number })

/** Null where a section's comments do not say: a recording in one file. */
export const fileNumberOf = (comments: readonly string[]): number | null => {
  for (const comment of comments) {
    const number = fieldsOf(comment, 'file')?.number
    if (isCount(number)) return number
  }
  return null
}
