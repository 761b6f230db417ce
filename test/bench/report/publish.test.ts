/** What the repository shows is what its own JSON says, and the page was not edited by hand. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { FIGURES } from '../../../bench/figures/all.js'
import { renderChart } from '../../../bench/report/chart.js'
import { renderMarkdown, withFigures } from '../../../bench/report/markdown.js'
import { PUBLISHED } from '../../../bench/report/publish.js'
import type { Results } from '../../../bench/report/results.js'

const read = (path: string): string => readFileSync(join(import.meta.dirname, '../../..', path), 'utf8')

const results = JSON.parse(read(PUBLISHED.results)) as Results

it('the published page and chart are made from the published figures', () => {
  const page = read(PUBLISHED.page)
  expect(withFigures(page, renderMarkdown(results))).toBe(page)
  expect(read(PUBLISHED.chart)).toBe(renderChart(results))
})

it('the published figures are complete, and none of them failed', () => {
  expect(results.figures.map(({ id }) => id)).toEqual(FIGURES.map(({ id }) => id))
  expect(results.failures).toEqual([])
})
