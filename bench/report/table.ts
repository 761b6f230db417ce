/** The report on a terminal: a table for each figure, and what could not be measured. */

import Table from 'cli-table3'
import type { Layout } from '../machine/cores.js'
import { formatCell } from './format.js'
import type { FigureResult, Results } from './results.js'

const tableOf = ({ title, how, metrics, results }: FigureResult): string => {
  const table = new Table({
    head: [title, ...metrics.map((metric) => `${metric.title} ${metric.unit}`)],
    colAligns: ['left', ...metrics.map(() => 'right' as const)],
    style: { head: [], border: [], compact: true },
  })
  for (const { entrant, title: name, baseline, median, ratio } of results)
    table.push([name, ...metrics.map(({ id }) => formatCell(median[id], ratio[id], entrant === baseline))])
  return `${table.toString()}\n${how}\n`
}

const LAYOUTS: Readonly<Record<Layout, string>> = {
  free: 'not pinned to cores',
  apart: 'the contender on a core of its own',
  together: 'all on one core',
}

/** Above this, somebody else was using a noticeable part of a core. */
const BUSY_LOAD = 0.5

const notes = ({ machine, options, leftOut, failures, took }: Results): readonly string[] => [
  `${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}, Node ${machine.node}; ${LAYOUTS[options.layout]}`,
  `medians of ${options.rounds} rounds of ${options.seconds} s; ${took.seconds} s in all; × to HAProxy, or to the same without recording`,
  ...(machine.loadBefore > BUSY_LOAD
    ? [`the machine was busy before the run (load ${machine.loadBefore.toFixed(1)}): only rough figures`]
    : []),
  ...leftOut.map(({ name, why }) => `left out: ${name}: ${why}`),
  ...failures.map(({ figure, entrant, message }) => `failed: ${figure}: ${entrant}: ${message}`),
]

export const renderTables = (results: Results): string =>
  `${results.figures.map(tableOf).join('\n')}\n${notes(results).join('\n')}\n`
