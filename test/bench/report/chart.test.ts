import { describe, expect, it } from 'vitest'
import { renderChart } from '../../../bench/report/chart.js'
import { someResults } from './results.js'

const numbers = (text: string, pattern: RegExp): number[] =>
  [...text.matchAll(pattern)].map(([, value]) => Number(value))

describe('the chart', () => {
  const chart = renderChart(someResults())

  it('draws bars in proportion', () => {
    const [ours, haproxy] = numbers(chart, /<rect class="(?:linux|other)"[^>]* width="([\d.]+)"/g)
    expect(ours! / haproxy!).toBeCloseTo(0.4, 2)
  })

  it('tears a bar that would leave nothing of the others', () => {
    expect(chart.match(/class="tear"/g)).toHaveLength(1)
    const widths = numbers(chart, /<rect class="(?:linux|other)"[^>]* width="([\d.]+)"/g)
    expect(widths[2]! / widths[1]!).toBeCloseTo(4, 2)
    expect(chart).toContain('>50.0</text>')
  })

  it('brings a background for light and for dark pages', () => {
    expect(chart).toContain('<rect class="page"')
    expect(chart).toContain('@media (prefers-color-scheme: dark)')
  })

  it('escapes names', () => {
    expect(chart).toContain('Slow &lt;proxy&gt;')
    expect(chart).toContain('A &amp; B &lt;1&gt;')
    expect(chart).not.toContain('<proxy>')
  })

  it('has panels only for what was measured', () => {
    expect(chart.match(/class="title"/g)).toHaveLength(2)
    expect(renderChart(someResults({ figures: [] }))).not.toContain('class="title"')
  })
})
