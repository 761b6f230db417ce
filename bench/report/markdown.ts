/** The report as Markdown, for docs/performance.md. */

import { formatCell } from './format.js'
import { goalNotes } from './goals.js'
import { busyNotes, LAYOUTS, machineLine, rounds } from './machine-line.js'
import type { FigureResult, Results } from './results.js'

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`

const figureSection = (figure: FigureResult): string => {
  const { title, how, metrics, results } = figure
  const goals = goalNotes(figure)
  return [
    `### ${title}`,
    '',
    how,
    '',
    row(['', ...metrics.map((metric) => `${metric.title}, ${metric.unit}`)]),
    row(['---', ...metrics.map(() => '---:')]),
    ...results.map(({ entrant, title: name, baseline, median, ratio }) =>
      row([name, ...metrics.map(({ id }) => formatCell(median[id], ratio[id], entrant === baseline))]),
    ),
    ...(goals.length === 0 ? [] : ['', goals.join(' ')]),
  ].join('\n')
}

/** Everything that one run found. */
export const renderMarkdown = (results: Results): string => {
  const { date, options, contenders, tools, leftOut, figures } = results
  const versions = Object.entries(tools).map(([name, version]) => `${name} ${version}`)
  return [
    [
      `${date.slice(0, 10)}; ${machineLine(results)}; ${LAYOUTS[options.layout]}.`,
      `Medians of ${rounds(options.rounds)} of ${options.seconds} s.`,
      ...busyNotes(results),
      ...(versions.length === 0 ? [] : [`Load and backend: ${versions.join(', ')}.`]),
      ...leftOut.map(({ name, why }) => `Left out: ${name} (${why}).`),
    ].join(' '),
    [
      row(['', 'version', 'set up as']),
      row(['---', '---', '---']),
      ...contenders.map(({ title, version, setUp }) => row([title, version, setUp])),
    ].join('\n'),
    ...figures.map(figureSection),
  ].join('\n\n')
}

const BEGIN = '<!-- figures: npm run bench -- --publish -->'
const END = '<!-- /figures -->'

/** The page with what is between its two marks replaced. @throws if the marks are not there */
export const withFigures = (page: string, figures: string): string => {
  const from = page.indexOf(BEGIN)
  const to = page.indexOf(END)
  if (from < 0 || to < from) throw new Error(`the page lacks its marks ${BEGIN} and ${END}`)
  return `${page.slice(0, from + BEGIN.length)}\n\n${figures}\n\n${page.slice(to)}`
}
