/** What was promised of a figure, and whether this run has kept it. */

import { formatRatio } from './format.js'
import type { FigureResult } from './results.js'

interface Goal {
  readonly figure: string
  readonly metric: string
  /** Whose ratios are to this one, and meant. */
  readonly baseline: (entrant: string) => string
  readonly entrants: readonly string[]
  readonly bound: { readonly atMost: number } | { readonly atLeast: number }
}

const GOALS: readonly Goal[] = [
  {
    figure: 'record-requests',
    metric: 'cpuPerRequest',
    baseline: (entrant) => entrant.replace('+record', ''),
    entrants: ['linux+record', 'portable+record'],
    bound: { atMost: 1.25 },
  },
  {
    figure: 'record-flow',
    metric: 'recorded',
    baseline: () => 'gogetway',
    entrants: ['linux'],
    bound: { atLeast: 3 },
  },
]

const keeps = (ratio: number, bound: Goal['bound']): boolean =>
  'atMost' in bound ? ratio <= bound.atMost : ratio >= bound.atLeast

const boundText = (bound: Goal['bound']): string =>
  'atMost' in bound ? `at most ${formatRatio(bound.atMost)}` : `at least ${formatRatio(bound.atLeast)}`

/** A sentence for each goal of the figure that could be measured. */
export const goalNotes = ({ id, metrics, results }: FigureResult): readonly string[] =>
  GOALS.filter(({ figure }) => figure === id).flatMap(({ metric, baseline, entrants, bound }) => {
    const title = metrics.find((each) => each.id === metric)?.title ?? metric
    return results.flatMap((result) => {
      const { entrant, ratio } = result
      const found = ratio[metric]
      if (!entrants.includes(entrant) || result.baseline !== baseline(entrant) || found === undefined)
        return []
      const verdict = keeps(found, bound) ? 'met' : 'missed'
      return [
        `Goal for ${result.title}: ${title} ${boundText(bound)}; ${verdict} with ${formatRatio(found)}.`,
      ]
    })
  })
