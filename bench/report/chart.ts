/**
 * The picture for the README: SVG with a panel of bars for each metric that matters most. It brings its own background, so
 * that it reads on light and on dark pages.
 */

import { BASELINE } from '../contenders/all.js'
import { formatNumber } from './format.js'
import { rounds } from './machine-line.js'
import type { Results } from './results.js'

interface Bar {
  readonly label: string
  readonly look: 'linux' | 'other' | 'portable'
  readonly value: number
}

interface Panel {
  readonly title: string
  readonly note: string
  readonly bars: readonly Bar[]
  /** The value as long as the panel is wide. */
  readonly full: number
}

/** Which metric of which figure, in reading order. */
const SHOWN = [
  ['bulk', 'cpuPerGB', 'Bulk: CPU time'],
  ['bulk', 'rate', 'Bulk: throughput'],
  ['keep-alive', 'cpuPerRequest', 'Keep-alive requests: CPU time each'],
  ['new-connections', 'cpuPerRequest', 'New connections: CPU time each'],
  ['latency', 'p50', 'Small-message round trip: median'],
  ['idle', 'perConnection', 'Idle connections: memory each'],
] as const

/** Bars of more than this many times the baseline's are cut, or they would leave nothing of the others. */
const MOST_OF_BASELINE = 4

const WIDTH = 880
const MARGIN = 24
const GAP = 40
const HEAD = 46
const ROW = 22
const BAR = 14
const LABELS = 128
const VALUES = 52
const PANEL_WIDTH = (WIDTH - 2 * MARGIN - GAP) / 2
const BARS = PANEL_WIDTH - LABELS - VALUES

const STYLE = `
  .page { fill: #ffffff } text { fill: #1f2328; font: 13px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif }
  .title { font-weight: 600; font-size: 14px } .note { fill: #59636e; font-size: 12px }
  .value { font-variant-numeric: tabular-nums } .ours { font-weight: 600 }
  .linux { fill: #0969da } .portable { fill: #79b4f2 } .other { fill: #b4bcc5 } .tear { stroke: #ffffff }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } text { fill: #f0f6fc } .note { fill: #9198a1 }
    .linux { fill: #4493f8 } .portable { fill: #275b9c } .other { fill: #4b535d } .tear { stroke: #0d1117 }
  }`

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

const lookOf = (entrant: string): Bar['look'] =>
  entrant === 'linux' || entrant === 'portable' ? entrant : 'other'

const panelsOf = ({ figures }: Results): readonly Panel[] =>
  SHOWN.flatMap(([figureId, metricId, title]) => {
    const figure = figures.find(({ id }) => id === figureId)
    const metric = figure?.metrics.find(({ id }) => id === metricId)
    if (figure === undefined || metric === undefined || figure.results.length === 0) return []
    const bars = figure.results.map(
      ({ entrant, title: label, median }): Bar => ({
        label,
        look: lookOf(entrant),
        value: median[metricId] ?? 0,
      }),
    )
    const baseline = figure.results.find(({ entrant }) => entrant === BASELINE)?.median[metricId]
    const longest = Math.max(...bars.map(({ value }) => value))
    const full = baseline === undefined ? longest : Math.min(longest, MOST_OF_BASELINE * baseline)
    return [{ title, note: `${metric.unit}, ${metric.better} is better`, bars, full }]
  })

const tenths = (value: number): number => Math.round(value * 10) / 10

const barAt = ({ label, look, value }: Bar, full: number, x: number, y: number): string => {
  const length = tenths(Math.max((BARS * Math.min(value, full)) / full, 1))
  const text = y + BAR - 3
  const from = x + LABELS
  const tear = from + BARS * 0.9
  const ours = look === 'linux' ? ' ours' : ''
  return [
    `<text class="label${ours}" x="${from - 8}" y="${text}" text-anchor="end">${escaped(label)}</text>`,
    `<rect class="${look}" x="${from}" y="${y}" width="${length}" height="${BAR}" rx="2"/>`,
    ...(value > full
      ? [
          `<path class="tear" d="M${tear} ${y + BAR + 2}l6 ${-BAR - 4}m5 0l-6 ${BAR + 4}" stroke-width="2.5" fill="none"/>`,
        ]
      : []),
    `<text class="value${ours}" x="${tenths(from + length + 6)}" y="${text}">${formatNumber(value)}</text>`,
  ].join('\n')
}

const panelAt = ({ title, note, bars, full }: Panel, x: number, y: number): string =>
  [
    `<text class="title" x="${x}" y="${y + 14}">${escaped(title)}</text>`,
    `<text class="note" x="${x}" y="${y + 32}">${escaped(note)}</text>`,
    ...bars.map((bar, row) => barAt(bar, full, x, y + HEAD + row * ROW)),
  ].join('\n')

const footOf = ({ machine, options, date }: Results): string =>
  `${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel.split('-')[0]}, Node ${machine.node}. One thread each; medians of ${rounds(options.rounds)}. ${date.slice(0, 10)}`

/** Draws what was measured of the metrics that are shown; the same results give the same text. */
export const renderChart = (results: Results): string => {
  const panels = panelsOf(results)
  const parts: string[] = []
  let y = MARGIN
  for (let at = 0; at < panels.length; at += 2) {
    const pair = panels.slice(at, at + 2)
    parts.push(...pair.map((panel, column) => panelAt(panel, MARGIN + column * (PANEL_WIDTH + GAP), y)))
    y += HEAD + Math.max(...pair.map(({ bars }) => bars.length)) * ROW + 20
  }
  const height = y + 18
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="what">
<title id="what">Tidegate beside other TCP proxies: ${escaped(panels.map(({ title }) => title).join('; '))}</title>
<style>${STYLE}
</style>
<rect class="page" width="${WIDTH}" height="${height}" rx="6"/>
${parts.join('\n')}
<text class="note" x="${MARGIN}" y="${y + 2}">${escaped(footOf(results))}</text>
</svg>
`
}
