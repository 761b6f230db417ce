/** The report on a terminal: a table for each figure, and what could not be measured. */

import Table from 'cli-table3'
import { formatCell } from './format.js'
import { goalNotes } from './goals.js'
import { busyNotes, LAYOUTS, machineLine, rounds } from './machine-line.js'
import type { FigureResult, Results } from './results.js'

/** What the ratios are to. */
const comparison = (results: FigureResult['results']): string => {
  const baselines = results.filter(({ entrant, baseline }) => entrant === baseline)
  const [only] = baselines
  if (only === undefined) return ''
  return `Ratios (×) are to ${baselines.length > 1 ? 'the same without recording' : only.title}.`
}

const tableOf = (figure: FigureResult): string => {
  const { title, how, metrics, results } = figure
  const table = new Table({
    head: [title, ...metrics.map((metric) => `${metric.title} ${metric.unit}`)],
    colAligns: ['left', ...metrics.map(() => 'right' as const)],
    style: { head: [], border: [], compact: true },
  })
  for (const { entrant, title: name, baseline, median, ratio } of results)
    table.push([name, ...metrics.map(({ id }) => formatCell(median[id], ratio[id], entrant === baseline))])
  const sentences = [how, comparison(results), ...goalNotes(figure)].filter((sentence) => sentence !== '')
  return `${table.toString()}\n${sentences.join(' ')}\n`
}

const notes = (results: Results): readonly string[] => {
  const { options, leftOut, failures, took } = results
  return [
    `${machineLine(results)}; ${LAYOUTS[options.layout]}`,
    `medians of ${rounds(options.rounds)} of ${options.seconds} s; ${took.seconds} s in all`,
    ...busyNotes(results),
    ...leftOut.map(({ name, why }) => `left out: ${name}: ${why}`),
    ...new Set(failures.map(({ figure, entrant, message }) => `failed: ${figure}: ${entrant}: ${message}`)),
  ]
}

export const renderTables = (results: Results): string =>
  `${results.figures.map(tableOf).join('\n')}\n${notes(results).join('\n')}\n`
