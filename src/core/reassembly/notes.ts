/** The annotations a packet carries, sorted out. */

import {
  type CloseAnnotation,
  decodeAnnotation,
  type GapAnnotation,
  type LostRange,
  type OpenAnnotation,
} from '../record/annotation.js'

export interface Notes {
  readonly open: OpenAnnotation | null
  /** In order of position. */
  readonly gaps: readonly GapAnnotation[]
  readonly close: CloseAnnotation | null
}

const NO_NOTES: Notes = { open: null, gaps: [], close: null }

/** Beyond 4 PiB a position is not one of a real stream; what claims it is passed over, so that sums stay exact. */
const MAX_POSITION = 2 ** 52

/** `gap` annotations of one packet that are heeded; Tidegate writes at most 16. */
const MAX_GAPS = 256

const inOrder = <T extends LostRange>(ranges: readonly T[]): readonly T[] =>
  ranges.toSorted((a, b) => a.at - b.at)

export const notesOf = (comments: readonly string[]): Notes => {
  if (comments.length === 0) return NO_NOTES
  let open: OpenAnnotation | null = null
  let close: CloseAnnotation | null = null
  const gaps: GapAnnotation[] = []
  for (const comment of comments) {
    const annotation = decodeAnnotation(comment)
    if (annotation?.kind === 'open') open = annotation
    else if (
      annotation?.kind === 'gap' &&
      gaps.length < MAX_GAPS &&
      annotation.at + annotation.length <= MAX_POSITION
    )
      gaps.push(annotation)
    else if (annotation?.kind === 'close') close = annotation
  }
  return { open, gaps: inOrder(gaps), close }
}

/** A ledger's losses in order of position. */
export const lossesInOrder = (losses: readonly LostRange[]): readonly LostRange[] => inOrder(losses)
