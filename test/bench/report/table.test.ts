import { describe, expect, it } from 'vitest'
import { formatCell, formatNumber } from '../../../bench/report/format.js'
import { goalNotes } from '../../../bench/report/goals.js'
import { renderMarkdown, withFigures } from '../../../bench/report/markdown.js'
import { renderTables } from '../../../bench/report/table.js'
import { someResults } from './results.js'

describe('a figure in a cell', () => {
  it('has the digits that mean something', () => {
    expect([0.2345, 13.34, 456.7, 78_234, 0].map(formatNumber)).toEqual([
      '0.23',
      '13.3',
      '457',
      '78200',
      '0.00',
    ])
  })

  it('comes with its ratio, unless it is what the others are compared with', () => {
    expect(formatCell(0.2, 0.4, false)).toBe('0.20 (0.40×)')
    expect(formatCell(0.5, 1, true)).toBe('0.50')
    expect(formatCell(0.5, undefined, false)).toBe('0.50')
    expect(formatCell(undefined, undefined, false)).toBe('-')
  })
})

describe('a goal', () => {
  const figureOf = (id: string, entrant: string, baseline: string, ratio: Record<string, number>) => ({
    ...{ id, title: '', how: '' },
    metrics: Object.keys(ratio).map((metric) => ({
      id: metric,
      title: metric,
      unit: '',
      better: 'lower' as const,
    })),
    results: [{ entrant, title: 'It', baseline, rounds: [], median: {}, ratio }],
  })

  it('is met or missed by what was measured', () => {
    const requests = (cpuPerRequest: number) =>
      goalNotes(figureOf('record-requests', 'linux+record', 'linux', { cpuPerRequest }))
    expect(requests(1.25)).toEqual(['Goal for It: cpuPerRequest at most 1.25×; met with 1.25×.'])
    expect(requests(1.26)).toEqual(['Goal for It: cpuPerRequest at most 1.25×; missed with 1.26×.'])
    const flow = (recorded: number) => goalNotes(figureOf('record-flow', 'linux', 'gogetway', { recorded }))
    expect(flow(3)).toEqual(['Goal for It: recorded at least 3.00×; met with 3.00×.'])
    expect(flow(2.95)).toEqual(['Goal for It: recorded at least 3.00×; missed with 2.95×.'])
  })

  it('is not spoken of without the one it is measured by', () => {
    expect(goalNotes(figureOf('record-flow', 'linux', 'linux', { recorded: 1 }))).toEqual([])
    expect(goalNotes(figureOf('bulk', 'linux', 'haproxy', { rate: 1 }))).toEqual([])
  })
})

describe('the report on a terminal', () => {
  it('has a row for each contender with its ratios', () => {
    const text = renderTables(someResults())
    expect(text).toMatch(/│ Bulk\s+│ throughput GB\/s │ CPU per gigabyte s\/GB │/)
    expect(text).toMatch(/│ Tidegate linux │\s+2\.00 \(1\.00×\) │\s+0\.20 \(0\.40×\) │/)
    expect(text).toContain('iperf3. Ratios (×) are to HAProxy.\n')
    expect(text).toMatch(/│ HAProxy\s+│\s+2\.00 │\s+0\.50 │/)
  })

  it('names what was left out and what failed, and says when the machine was busy', () => {
    const failures = [{ figure: 'bulk', entrant: 'Go io.Copy', message: 'it has ended: panic' }]
    const text = renderTables(someResults({ failures }))
    expect(text).toContain('left out: socat: socat is not installed\n')
    expect(text).toContain('failed: bulk: Go io.Copy: it has ended: panic\n')
    expect(text).not.toContain('busy')
    const { machine } = someResults()
    expect(renderTables(someResults({ machine: { ...machine, loadBefore: 2.5 } }))).toContain(
      'busy before the run (load 2.5)',
    )
  })
})

describe('the report as Markdown', () => {
  it('has versions, set-ups and figures', () => {
    const text = renderMarkdown(someResults())
    expect(text).toContain('| HAProxy | 2.6.12 | `mode tcp` |')
    expect(text).toContain('| Tidegate linux | 2.00 (1.00×) | 0.20 (0.40×) |')
    expect(text).toContain('Left out: socat (socat is not installed).')
  })

  it('replaces what is between its marks, and nothing else, as often as one likes', () => {
    const page = 'before\n<!-- figures: npm run bench -- --publish -->\nold\n<!-- /figures -->\nafter\n'
    const once = withFigures(page, 'new')
    expect(once).toBe(
      'before\n<!-- figures: npm run bench -- --publish -->\n\nnew\n\n<!-- /figures -->\nafter\n',
    )
    expect(withFigures(once, 'new')).toBe(once)
    expect(() => withFigures('no marks', 'new')).toThrow('lacks its marks')
  })
})
