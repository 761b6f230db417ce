/** The annotations a packet carries, sorted out. */

import {
  type CloseAnnotation,
  type ContinueAnnotation,
  decodeAnnotation,
  type GapAnnotation,
  type LedgerEntry,
  type LostRange,
  type OpenAnnotation,
  type Position,
} from '../record/annotation.js'

export interface Notes {
  readonly open: OpenAnnotation | null
  /** In order of position. */
  readonly gaps: readonly GapAnnotation[]
  readonly continued: ContinueAnnotation | null
  readonly close: CloseAnnotation | null
}

/** Bytes that were not stored: lost, or cut. */
export interface Absence extends LostRange {
  readonly cut?: true
}

const NO_NOTES: Notes = { open: null, gaps: [], continued: null, close: null }

/** Beyond 4 PiB a position is not one of a real stream; what claims it is passed over, so that sums stay exact. */
const MAX_POSITION = 2 ** 52

/** `gap` annotations of one packet that are heeded; Tidegate writes at most 16. */
const MAX_GAPS = 256

const inOrder = <T extends LostRange>(ranges: readonly T[]): readonly T[] =>
  ranges.toSorted((a, b) => a.at - b.at)

const isSane = ({ upstream, downstream }: Position): boolean =>
  upstream <= MAX_POSITION && downstream <= MAX_POSITION

const sane = ({ continues, ...open }: OpenAnnotation): OpenAnnotation =>
  continues !== undefined && isSane(continues) ? { ...open, continues } : open

export const notesOf = (comments: readonly string[]): Notes => {
  if (comments.length === 0) return NO_NOTES
  let open: OpenAnnotation | null = null
  let close: CloseAnnotation | null = null
  let continued: ContinueAnnotation | null = null
  const gaps: GapAnnotation[] = []
  for (const comment of comments) {
    const annotation = decodeAnnotation(comment)
    if (annotation?.kind === 'open') open = sane(annotation)
    else if (annotation?.kind === 'continue') continued = isSane(annotation) ? annotation : null
    else if (
      annotation?.kind === 'gap' &&
      gaps.length < MAX_GAPS &&
      annotation.at + annotation.length <= MAX_POSITION
    )
      gaps.push(annotation)
    else if (annotation?.kind === 'close') close = annotation
  }
  return { open, gaps: inOrder(gaps), continued, close }
}

/** What a ledger has as not stored, in order of position. */
export const absencesOf = ({ lost, cut = [] }: LedgerEntry): readonly Absence[] =>
  inOrder<Absence>([...lost, ...cut.map((range) => ({ ...range, cut: true as const }))])
