/** Where a run's figures are shown in the repository. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { renderChart } from './chart.js'
import { renderMarkdown, withFigures } from './markdown.js'
import type { Results } from './results.js'

export const PUBLISHED = {
  results: 'bench/results/published.json',
  page: 'docs/performance.md',
  chart: 'docs/images/performance.svg',
} as const

export const toJson = (results: Results): string => `${JSON.stringify(results, null, 2)}\n`

/** Writes the page's figures, the chart, and the JSON that both are made from. */
export const publish = (results: Results, root: string): void => {
  const page = join(root, PUBLISHED.page)
  writeFileSync(page, withFigures(readFileSync(page, 'utf8'), renderMarkdown(results)))
  writeFileSync(join(root, PUBLISHED.chart), renderChart(results))
  writeFileSync(join(root, PUBLISHED.results), toJson(results))
}
