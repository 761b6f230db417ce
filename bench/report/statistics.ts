/** Medians and ratios of what was measured. */

import type { Sample } from '../figures/figure.js'

/** The middle value, or the mean of the two in the middle. @throws if there is none */
export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)]
  const lower = sorted[Math.ceil(sorted.length / 2) - 1]
  if (upper === undefined || lower === undefined) throw new Error('no values to take the median of')
  return (lower + upper) / 2
}

/** The median of each metric. */
export const medians = (samples: readonly Sample[]): Sample =>
  Object.fromEntries(
    Object.keys(samples[0] ?? {}).map((id) => [
      id,
      median(samples.map((sample) => sample[id] ?? Number.NaN)),
    ]),
  )

/** Each metric divided by that of `baseline`; one that it lacks, or where it is 0, is left out. */
export const ratios = (sample: Sample, baseline: Sample): Sample =>
  Object.fromEntries(
    Object.entries(sample).flatMap(([id, value]) => {
      const divisor = baseline[id]
      return divisor === undefined || divisor <= 0 ? [] : [[id, value / divisor]]
    }),
  )
